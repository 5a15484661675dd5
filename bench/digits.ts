/**
 * The experiment of pipelines/digits.yaml from an empty store to 256 drawn images, beside bench/peers/torch_digits.py: whole
 * processes in turns, each turn with a seed of its own, and the held-out loss of what each has trained.
 * Usage: deno task bench:digits [--python PATH] [--rounds N] [--steps N]
 * The peer needs a Python with torch and numpy; without one our side is measured alone.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Metrics } from "../artifacts/metrics.ts";
import { printLine } from "../cli/io.ts";
import { printTable } from "./support/markdown.ts";
import { type Call, firstLine, measure, median, ratios, spread } from "./support/measure.ts";
import { CASES, HAS_BF16, PROCESSOR, raceSteps, THREADS, torchContender } from "./support/race_steps.ts";
import type { StepRequest } from "./support/steps_protocol.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    python: { type: "string", default: "python3" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string" },
  },
});
const pathOf = (path: string) => new URL(path, import.meta.url).pathname;
const CLI = ["run", "-A", pathOf("../cli/main.ts")];

interface Contender {
  readonly name: string;
  /** Trains and draws in a folder with the pipeline, and with its values in settings.json. */
  readonly run: (seed: number) => Call;
  /** Computes the loss of what it trained there, which is not timed. */
  readonly heldOut: (folder: string, seed: number) => Promise<number>;
}

/** Our command line on the pipeline, with what this call changes of it. */
function cli(command: string, seed: number, ...rest: readonly string[]): Call {
  const changes = [`seed=${seed}`, ...values.steps === undefined ? [] : [`train.steps=${values.steps}`]];
  const sets = changes.flatMap((change) => ["--set", change]);
  const args = [...CLI, command, "digits.yaml", ...rest, ...sets];
  return { program: Deno.execPath(), args, env: { NOISELINE_CACHE_MODE: "off" } };
}

const ours: Contender = {
  name: "noiseline",
  run: (seed) => cli("run", seed, "sample"),
  async heldOut(folder, seed) {
    await textOf(cli("run", seed, "evaluate"), folder);
    const text = await Deno.readTextFile(join(folder, "outputs", "digits", "evaluate", "metrics.json"));
    const { metrics } = JSON.parse(text) as Metrics;
    return metrics.find(({ name, timesteps }) => name === "L_simple" && timesteps === undefined)!.value;
  },
};

/** The script, in the layout in which it takes its steps faster. */
async function peer(precision: "fp32" | "bf16", data: string): Promise<Contender | undefined> {
  const layouts = (["contiguous", "channels_last"] as const).map((layout) =>
    torchContender(layout, values.python, { layout, compile: false, precision })
  );
  const request: Omit<StepRequest, "steps"> = { ...CASES["digits"]!, mode: "train" };
  const onSkip = (_: string, why: string) => printLine(`skipped: PyTorch ${precision}: ${why}`);
  const measured = await raceSteps(layouts, request, { rounds: 2, onSkip });
  const [best] = measured.sort((a, b) => median(a.medians) - median(b.medians));
  if (best === undefined) return undefined;
  const args = [pathOf("peers/torch_digits.py"), "settings.json", data, ".", `${THREADS}`];
  args.push("--precision", precision, "--layout", best.name);
  const { python: program } = values;
  return {
    name: `PyTorch ${precision}`,
    run: () => ({ program, args }),
    heldOut: async (folder) => Number(await textOf({ program, args: [...args, "--held-out"] }, folder)),
  };
}

/** What a process prints. */
async function textOf({ program, args, env = {} }: Call, cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd, env }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).slice(-2_000)}`);
  return new TextDecoder().decode(stdout);
}

const root = await Deno.makeTempDir({ prefix: "noiseline-bench-" });
try {
  const enter = async (name: string, seed: number) => {
    const folder = join(root, name);
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(folder, "deno.json"), "{}");
    await Deno.copyFile(pathOf("../pipelines/digits.yaml"), join(folder, "digits.yaml"));
    await Deno.writeTextFile(join(folder, "settings.json"), await textOf(cli("show", seed, "--json"), folder));
    return folder;
  };
  const version = await firstLine(Deno.execPath(), [...CLI, "--version"]);
  const torch = await firstLine(values.python, ["-c", "import torch; print(torch.__version__)"]);
  printLine(`${PROCESSOR}, ${values.rounds} turns, noiseline ${version}, PyTorch ${torch ?? "is not installed"}`);
  // The images, once, for the script: making them is part of our time alone.
  const data = await enter("data", 0);
  await textOf(cli("run", 0, "digits", "schedule"), data);
  const precisions = torch === undefined ? [] : HAS_BF16 ? ["fp32", "bf16"] as const : ["fp32"] as const;
  const entered = [{ contender: ours, seconds: [] as number[], losses: [] as number[] }];
  for (const precision of precisions) {
    const contender = await peer(precision, join(data, "outputs", "digits"));
    if (contender !== undefined) entered.push({ contender, seconds: [], losses: [] });
  }
  for (let seed = 0; seed < Number(values.rounds); seed++) {
    for (const { contender: { name, run, heldOut }, seconds, losses } of entered) {
      const folder = await enter(`${name} ${seed}`, seed);
      const measured = await measure(run(seed), folder);
      if (measured === undefined) throw new Error(`${name} took more than ten minutes`);
      seconds.push(measured.seconds);
      losses.push(await heldOut(folder, seed));
    }
  }
  const rows = entered.map(({ contender: { name }, seconds, losses }, index) => {
    const ratio = index === 0 ? "" : spread(ratios(seconds, entered[0]!.seconds), 2);
    return [name, spread(seconds, 0, " s"), ratio, spread(losses, 3)];
  });
  printLine();
  printTable([["", "start to 256 samples", "ratio", "held-out L_simple"], ...rows]);
  if (values.steps !== undefined) printLine(`\n${values.steps} steps are a try and no result.`);
  const times = entered.map(({ seconds }, index) =>
    [`${median(seconds).toFixed(0)} s`, rows[index]![2]].join(" ").trim()
  );
  const losses = entered.map(({ losses }) => median(losses).toFixed(3)).join(", ");
  const day = new Date().toISOString().slice(0, 10);
  printLine();
  printTable([
    ["date", "version", "processor", ...rows.map(([name]) => name!), "held-out L_simple"],
    [day, version!, PROCESSOR, ...times, losses],
  ]);
} finally {
  await Deno.remove(root, { recursive: true });
}
