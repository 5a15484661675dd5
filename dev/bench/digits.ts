/**
 * Times the experiment of pipelines/digits.yaml from an empty store to 256 samples, against peers/torch_digits.py:
 * whole processes take turns, each turn with its own seed, and the held-out loss of both trained networks is reported.
 * Usage: deno task bench:digits [--python PATH] [--rounds N] [--steps N] [--device NAME]
 * The peer needs a Python with torch and numpy; without one only our side is measured. The peer runs with an allocator
 * that is tuned for it, our side as it is shipped.
 */
import { join } from "node:path";
import { z } from "zod";
import type { Metrics } from "../../artifacts/metrics.ts";
import { printLine } from "../../cli/io.ts";
import { VERSION } from "../../package/program.ts";
import { makeTemporaryFolder } from "../../engine/store/folders.ts";
import { DEVICE_NAMES } from "../../science/tensor/devices.ts";
import { TUNED_MALLOC } from "./support/contender.ts";
import { makeProject } from "./support/engine_extras.ts";
import { type Call, measure, median, printTable, ratios, spread, warnIfUnstable } from "./support/measure.ts";
import { COUNT, pythonWith, readOptions } from "./support/options.ts";
import { CASES, HAS_BF16, PROCESSOR, raceSteps, THREADS, torchContender } from "./support/race_steps.ts";

const { python, rounds, steps, device } = await readOptions(import.meta.url, {
  python: pythonWith("torch, numpy", "PyTorch"),
  rounds: COUNT.default(3),
  steps: COUNT.optional(),
  device: z.enum(DEVICE_NAMES).default("auto"),
});
const pathOf = (path: string) => new URL(path, import.meta.url).pathname;
const CLI = ["run", "-A", pathOf("../../cli/main.ts")];
const changes = [`train.device=${device}`, `sample.device=${device}`, ...steps ? [`train.steps=${steps}`] : []]
  .flatMap((change) => ["--set", change]);

/** Returns a call of our command line on the pipeline. */
const cli = (command: string, seed: number, ...rest: readonly string[]): Call => ({
  program: Deno.execPath(),
  args: [...CLI, command, "pipeline.yaml", ...rest, "--set", `seed=${seed}`, ...changes],
  env: { NOISELINE_CACHE_MODE: "off" },
});

const ours = {
  name: `noiseline (${device})`,
  /** Trains and samples in a folder that contains the pipeline, and its values as settings.json. */
  run: (seed: number) => cli("run", seed, "sample"),
  /** Returns the held-out loss of the network that was trained in the folder. */
  async heldOut(folder: string, seed: number) {
    await measure(cli("run", seed, "evaluate"), folder);
    const text = await Deno.readTextFile(join(folder, "outputs", "digits", "evaluate", "metrics.json"));
    const { metrics } = JSON.parse(text) as Metrics;
    return metrics.find(({ name, timesteps }) => name === "L_simple" && timesteps === undefined)!.value;
  },
};

/** Returns the peer script, in the memory layout in which its steps are faster. */
async function peer(python: string, precision: "fp32" | "bf16", data: string): Promise<typeof ours> {
  const layouts = (["contiguous", "channels_last"] as const).map((layout) => {
    return { ...torchContender(layout, python, { layout, compile: false, precision }), env: TUNED_MALLOC };
  });
  const onSkip = (layout: string, why: string) => printLine(`skipped: PyTorch ${precision}, ${layout}: ${why}`);
  const measured = await raceSteps(layouts, { ...CASES["digits"]!, mode: "train" }, { rounds: 2, onSkip });
  const [best] = measured.sort((a, b) => median(a.medians) - median(b.medians));
  if (best === undefined) throw new Error(`PyTorch in ${python} takes no steps`);
  const args = [pathOf("peers/torch_digits.py"), "settings.json", data, ".", `${THREADS}`];
  args.push("--precision", precision, "--layout", best.name);
  const call = { program: python, args, env: TUNED_MALLOC };
  return {
    name: `PyTorch ${precision}, malloc tuned`,
    run: () => call,
    heldOut: async (folder) => Number((await measure({ ...call, args: [...args, "--held-out"] }, folder))!.text),
  };
}

await using temporary = await makeTemporaryFolder();
const pipeline = await Deno.readTextFile(pathOf("../../pipelines/digits.yaml"));
const makeFolder = async (name: string, seed: number) => {
  const folder = await makeProject(join(temporary.folder, name), pipeline);
  const { text } = (await measure(cli("show", seed, "--json"), folder))!;
  await Deno.writeTextFile(join(folder, "settings.json"), text);
  return folder;
};
const asked = python && await measure({ program: python, args: ["-c", "import torch; print(torch.__version__)"] }, ".");
const torch = asked ? asked.text.trim() : "skipped";
printLine(`${PROCESSOR}, turns: ${rounds}, noiseline ${VERSION}, PyTorch ${torch}`);
// The images, made once for the script: making them counts only towards our time.
const data = await makeFolder("data", 0);
await measure(cli("run", 0, "digits", "schedule"), data);
const contenders = [ours];
for (const precision of ["fp32", "bf16"] as const) {
  if (python === undefined || precision === "bf16" && !HAS_BF16) continue;
  contenders.push(await peer(python, precision, join(data, "outputs", "digits")));
}
const entered = contenders.map((one) => ({ ...one, seconds: [] as number[], losses: [] as number[] }));
for (let seed = 0; seed < rounds; seed++) {
  for (const { name, run, heldOut, seconds, losses } of seed % 2 === 0 ? entered : entered.toReversed()) {
    const folder = await makeFolder(`${name} ${seed}`, seed);
    const measured = await measure(run(seed), folder);
    if (measured === undefined) throw new Error(`${name} took more than ten minutes`);
    seconds.push(measured.seconds);
    losses.push(await heldOut(folder, seed));
    printLine(`turn ${seed + 1}, ${name}: ${measured.seconds.toFixed(1)} s, loss ${losses.at(-1)!.toFixed(4)}`);
  }
}
const rows = entered.map(({ name, seconds, losses }, index) => {
  const ratio = index === 0 ? "" : spread(ratios(seconds, entered[0]!.seconds), 2);
  return [name, spread(seconds, 0, " s"), ratio, spread(losses, 3)];
});
printLine();
printTable([["", "start to 256 samples", "ratio", "held-out L_simple"], ...rows]);
for (const { name, seconds } of entered) warnIfUnstable(name, seconds, "s");
const day = new Date().toISOString().slice(0, 10);
const cells = rows.map(([, ...figures]) => figures.filter(Boolean).join("; "));
const row = `| ${[day, VERSION, PROCESSOR, ...cells].join(" | ")} |`;
printLine(steps === undefined ? `\n${row}` : `\nA try with ${steps} steps is no result.`);
