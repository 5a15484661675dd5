/**
 * Checks noiseline on a graphics card and prints one table of Markdown: parity with PyTorch in float64, training steps
 * of two networks compared with PyTorch's, memory, and a check that a training that was killed and resumed ends in the
 * same bytes.
 *
 *     deno task gpu:check [--python PATH] [--json] [--rehearse]
 *
 * With `--rehearse`, TensorFlow and PyTorch on the processor and any available adapter stand in for the card, with
 * small networks and few steps. PyTorch needs a Python that has it; without one only our devices are measured.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BUILTIN_KINDS, examineDevices, loadPipeline, tryDevice } from "noiseline/engine";
import { firstLine, median, printTable } from "../../dev/bench/support/measure.ts";
import { HAS_BF16, ourContender, raceSteps, torchContender } from "../../dev/bench/support/race_steps.ts";
import type { BenchModel } from "../../dev/bench/support/contender.ts";
import { printError, printJson } from "../../cli/io.ts";
import { streamLines } from "../../engine/process/lines.ts";
import { openStore } from "../../engine/store/store.ts";
import { measureApart } from "../parity/measure.ts";

const { values: { python, json, rehearse, help } } = parseArgs({
  args: Deno.args,
  options: {
    help: { type: "boolean", default: false },
    python: { type: "string", default: "python3" },
    json: { type: "boolean", default: false },
    rehearse: { type: "boolean", default: false },
  },
});
if (help) {
  printError("deno task gpu:check [--python PATH] [--json] [--rehearse]; docs/devices.md says what it does");
  Deno.exit(0);
}
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const STEPS = rehearse ? 2 : 200;
/** The batch size of a rehearsal: without a GPU an image takes seconds. */
const SMALL_BATCH = 2;
/** The time limit of a turn: a device on which 200 steps take longer does fewer. */
const TURN_SECONDS = 180;

type DeviceName = Parameters<typeof measureApart>[0];

interface Row {
  readonly check: string;
  readonly on: string;
  readonly result: string;
  readonly time?: string;
  readonly memory?: string;
  readonly failed?: boolean;
}

const HEAD = ["check", "on", "result", "time", "memory"] as const;
const cellsOf = (row: Row) => HEAD.map((name) => row[name] ?? "");
const rows: Row[] = [];

function add(row: Row): void {
  rows.push(row);
  printError(cellsOf(row).filter((cell) => cell !== "").join(", "));
}

async function findDevices(): Promise<DeviceName[]> {
  const seen = await examineDevices(tryDevice, [rehearse ? "tensorflow" : "tensorflow-gpu", "webgpu", "torch"]);
  const found = seen.filter(({ available, card }) => available && (rehearse || card === true));
  for (const device of seen) {
    const { name: on, reason, numerics, fix } = device;
    const why = fix === undefined ? reason : `${reason}; ${fix}`;
    add({ check: "device", on, result: found.includes(device) ? `${reason} (${numerics})` : `none: ${why}` });
  }
  return found.map(({ name }) => name);
}

async function checkParity(on: DeviceName): Promise<void> {
  const check = "parity, in float32";
  const measured = await measureApart(on);
  if ("absent" in measured) return add({ check, on, result: measured.absent, failed: true });
  const { worst, problems, seconds } = measured;
  const time = `${seconds.toFixed(0)} s`;
  const [problem, ...more] = problems;
  if (problem !== undefined) {
    return add({ check, on, result: `${problem} and ${more.length} more`, time, failed: true });
  }
  // If every case of an operation is refused, there is no figure for it.
  const figures = Object.values(worst).map(parseFloat).filter((figure) => !Number.isNaN(figure));
  const largest = Math.max(...figures);
  add({ check, on, result: `${figures.length} operations right; at most ${largest} roundings off`, time });
}

/** Returns the network that a pipeline trains, with the settings that a training step depends on. */
async function networkOf(name: string, imageSize: number, inChannels: number, profiles: readonly string[] = []) {
  const loaded = await loadPipeline(join(ROOT, "pipelines", `${name}.yaml`), { kinds: BUILTIN_KINDS, profiles });
  if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
  const { model, batchSize } = loaded.value.stages.get("train")!.params as { model: BenchModel; batchSize: number };
  const batch = rehearse ? SMALL_BATCH : batchSize;
  const check = `${name}.yaml, ${model.channels} channels x ${model.multipliers}, batch ${batch}`;
  return { check, model: { ...model, imageSize, inChannels }, batch };
}

/** Returns the megabytes in use on the card that is used by default. */
async function usedOnCard(): Promise<number> {
  const card = Deno.env.get("CUDA_VISIBLE_DEVICES")?.split(",")[0] ?? "0";
  return Number(
    await firstLine("nvidia-smi", [`--id=${card}`, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]),
  );
}

/** Returns a device as it is raced: `torch` in each of its precisions. */
function contendersOf(name: DeviceName) {
  const whole = ourContender(name);
  if (name !== "torch") return [whole];
  const settings = { precision: "bf16" } as const;
  return [
    { ...whole, name: "torch fp32", env: { ...whole.env, NVIDIA_TF32_OVERRIDE: "0" } },
    { ...whole, name: "torch tf32" },
    // A processor may have no instructions for it.
    ...!rehearse || HAS_BF16 ? [{ ...whole, name: "torch bf16", settings }] : [],
  ];
}

type MeasuredSteps = Awaited<ReturnType<typeof raceSteps>>[number];

/** The devices are measured one after the other, so that each has the card to itself. */
async function checkSteps(
  { check, model, batch }: Awaited<ReturnType<typeof networkOf>>,
  devices: readonly DeviceName[],
) {
  const ours = devices.flatMap(contendersOf);
  const peers = (["fp32", "tf32", "bf16"] as const).map((precision) => {
    const settings = { layout: "channels_last", compile: false, on: rehearse ? "cpu" : "cuda", precision } as const;
    return torchContender(`PyTorch ${precision}`, python, settings);
  });
  const measured: (MeasuredSteps & { readonly memory: string })[] = [];
  for (const contender of [...ours, ...peers]) {
    const before = await usedOnCard();
    let onCard = NaN;
    const done = await raceSteps([contender], { model, batch, mode: "train" }, {
      rounds: 1,
      maxSteps: STEPS,
      turnSeconds: TURN_SECONDS,
      onSkip: (on, why) => {
        const failed = ours.some(({ name }) => name === on);
        add({ check, on, result: `${failed ? "failed" : "skipped"}: ${why}`, failed });
      },
      onEnd: async () => void (onCard = await usedOnCard() - before),
    });
    const memoryOf = (megabytes: number) => Number.isNaN(onCard) ? `${megabytes.toFixed(0)} MB (host)` : `${onCard} MB`;
    measured.push(...done.map((one) => ({ ...one, memory: memoryOf(one.peakMegabytes) })));
  }
  const secondsOf = ({ medians }: MeasuredSteps) => median(medians);
  const reference = measured.find(({ name }) => name === "PyTorch tf32");
  for (const one of measured) {
    const seconds = secondsOf(one);
    const ratio = reference === undefined ? "" : `; ${(seconds / secondsOf(reference)).toFixed(2)} x PyTorch tf32`;
    const result = `${(batch / seconds).toFixed(1)} images/s${ratio}`;
    const time = `${(1000 * seconds).toFixed(0)} ms (${one.steps} steps)`;
    add({ check, on: one.name, result, time, memory: one.memory });
  }
}

const LONGER = { steps: 80, checkpointEvery: 20 };

/**
 * Trains on a device.
 * @returns the state from which the training started, and the digests of all outputs
 */
async function train(on: string, folder: string, { killAtSave = false } = {}) {
  const root = join(folder, ".noiseline");
  const set = { device: on, ...rehearse ? { steps: 4, checkpointEvery: 2, batchSize: SMALL_BATCH } : LONGER };
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", join(ROOT, "cli/main.ts"), "run", join(ROOT, "pipelines/digits.yaml"), "train", "--json"],
      ...["--store", root],
      ...Object.entries(set).flatMap(([name, value]) => ["--set", `train.${name}=${value}`]),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let state = "nothing";
  for await (const line of streamLines(child.stdout)) {
    const event = JSON.parse(line) as { readonly type: string; readonly id?: string; readonly state?: string };
    if (event.type === "stage-started" && event.id === "train") state = event.state!;
    if (event.type === "stage-saved" && killAtSave) child.kill("SIGKILL");
  }
  await child.status;
  const { results } = openStore(root);
  const made = results.keys().map((key) => results.byResolved(key)).find((one) => one?.ingredients.kind === "train");
  return [state, made && JSON.stringify(made.outputs)] as const;
}

async function checkResume(device: string): Promise<void> {
  // No file may name TensorFlow on the processor.
  const on = device === "tensorflow" ? "onnx" : device;
  const folder = await Deno.makeTempDir({ prefix: "noiseline-gpu-" });
  const started = performance.now();
  try {
    const [, whole] = await train(on, join(folder, "whole"));
    await train(on, join(folder, "killed"), { killAtSave: true });
    const [state, resumed] = await train(on, join(folder, "killed"));
    const equal = whole !== undefined && whole === resumed;
    const begun = state === "resume" ? "resumed" : `started again (${state})`;
    const result = `${begun}, ${equal ? "equal" : "other"} bytes`;
    const time = `${((performance.now() - started) / 1000).toFixed(0)} s`;
    const failed = state !== "resume" || !equal;
    add({ check: "training of digits.yaml, killed", on, result, time, failed });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (rehearse) {
  const result =
    `no card was used: few channels, batch ${SMALL_BATCH}, ${STEPS} steps, TensorFlow and PyTorch on the processor and the adapter that is here`;
  add({ check: "rehearsal", on: "processor", result });
}
const devices = await findDevices();
if (devices.length === 0) {
  printError("error: Cannot check: no device here computes on a graphics card\n  fix:    see above, or add --rehearse");
  Deno.exit(2);
}
for (const device of devices) await checkParity(device);
const networks = [
  await networkOf("cifar", 32, 3, rehearse ? ["small"] : []),
  await networkOf("digits", 16, 1),
];
for (const network of networks) await checkSteps(network, devices);
for (const device of devices) await checkResume(device);
if (json) printJson({ rehearsal: rehearse, rows });
else printTable([HEAD, ...rows.map(cellsOf)]);
if (rows.some(({ failed }) => failed)) Deno.exitCode = 1;
