/**
 * Training steps and noise predictions of the U-Net on our devices and in PyTorch, in turns in one call, because machines
 * have slow spells. Usage: deno task bench:train | bench:sample [--python PATH] [--devices a,b] [--cases a,b]
 *   [--rounds N] [--compile]
 * The peer needs a Python with torch; without one our devices are measured alone.
 */
import { parseArgs } from "node:util";
import { printLine } from "../cli/io.ts";
import { formatTable } from "../cli/format/table.ts";
import { type Contender, type ContenderCommand, startContender } from "./support/contender.ts";
import type { StepRequest } from "./support/steps_protocol.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    python: { type: "string", default: "python3" },
    devices: { type: "string", default: "onnx" },
    cases: { type: "string", default: "small,paper" },
    rounds: { type: "string", default: "6" },
    compile: { type: "boolean", default: false },
  },
});
const mode = positionals[0] === "forward" ? "forward" : "train";
const threads = navigator.hardwareConcurrency;
/** Long enough for a median, short enough that a slow spell hits few turns. */
const TURN_SECONDS = 3;
const WARM_UP_STEPS = 2;

type Case = Pick<StepRequest, "model" | "batch"> & { readonly title: string };

const CASES: Record<string, Case> = {
  small: {
    title: "28x28x1, 32 channels x 1,2,2 (1.6 M parameters), batch 16",
    model: { imageSize: 28, inChannels: 1, channels: 32, multipliers: [1, 2, 2], blocks: 2, attention: [14] },
    batch: 16,
  },
  paper: {
    title: "CIFAR10 of Ho et al., 128 channels x 1,2,2,2 (35.7 M parameters), batch 4",
    model: { imageSize: 32, inChannels: 3, channels: 128, multipliers: [1, 2, 2, 2], blocks: 2, attention: [16] },
    batch: 4,
  },
};

function commands(): ContenderCommand[] {
  const server = new URL("./support/step_server.ts", import.meta.url).pathname;
  const peer = new URL("./peers/torch_unet.py", import.meta.url).pathname;
  const ours = values.devices.split(",").map((device) => ({
    name: device,
    command: Deno.execPath(),
    args: ["run", "-A", server, device, `${threads}`],
  }));
  const variants = [
    { name: "PyTorch eager", settings: { layout: "contiguous", compile: false } },
    { name: "PyTorch eager, channels last", settings: { layout: "channels_last", compile: false } },
    ...(values.compile ? [{ name: "torch.compile", settings: { layout: "contiguous", compile: true } }] : []),
  ] as const;
  return [...ours, ...variants.map((each) => ({ ...each, command: values.python, args: [peer, `${threads}`] }))];
}

interface Measured {
  readonly name: string;
  readonly medians: number[];
  readonly firstSeconds: number | undefined;
  readonly peakMegabytes: number | undefined;
}

async function measure(request: Omit<StepRequest, "steps">): Promise<Measured[]> {
  const running: { contender: Contender; steps: number; medians: number[]; firstSeconds: number | undefined }[] = [];
  for (const command of commands()) {
    const contender = startContender(command);
    try {
      const { seconds, firstSeconds } = await contender.ask({ ...request, steps: WARM_UP_STEPS });
      const steps = Math.max(1, Math.min(20, Math.round(TURN_SECONDS / seconds.at(-1)!)));
      running.push({ contender, steps, medians: [], firstSeconds });
    } catch (error) {
      printLine(`skipped: ${command.name}: ${(error as Error).message.slice(0, 200)}`);
      await contender.stop();
    }
  }
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { contender, steps, medians } of running) {
      medians.push(median((await contender.ask({ ...request, steps })).seconds));
    }
  }
  const measured = running.map(({ contender, medians, firstSeconds }) => ({
    name: contender.name,
    medians,
    firstSeconds,
    peakMegabytes: contender.peakMegabytes(),
  }));
  for (const { contender } of running) await contender.stop();
  return measured;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

printLine(
  `${mode === "train" ? "training step" : "noise prediction"}, ${threads} threads, ${values.rounds} turns each`,
);
for (const name of values.cases.split(",")) {
  const found = CASES[name];
  if (found === undefined) throw new Error(`Case "${name}": got no such case, wanted ${Object.keys(CASES).join(", ")}`);
  const measured = await measure({ model: found.model, batch: found.batch, mode });
  const ours = measured[0]!;
  printLine(`\n${found.title}`);
  const rows = measured.map((each) => [
    each.name,
    `${(1000 * median(each.medians)).toFixed(0)} ms`,
    // Turn by turn, so that a slow spell is in both terms.
    each === ours ? "" : `${median(each.medians.map((seconds, i) => seconds / ours.medians[i]!)).toFixed(2)} x`,
    each.firstSeconds === undefined ? "" : `${each.firstSeconds.toFixed(1)} s`,
    each.peakMegabytes === undefined ? "" : `${each.peakMegabytes.toFixed(0)} MB`,
  ]);
  const header = ["", "median", `time of ${ours.name}`, "first step", "peak memory"];
  for (const line of formatTable([header, ...rows])) printLine(line);
}
