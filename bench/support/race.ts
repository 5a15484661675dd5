import { join } from "node:path";
import { type Contender, layOut } from "./engine_peers.ts";
import { measure, type Measured, median, ratios } from "./measure.ts";
import { type Shape, textOf } from "./shapes.ts";

type Runner = ReturnType<typeof enter>;

/**
 * Let contenders do the same graph one after the other in every turn, so that load on the machine falls on all
 * of them: first runs in fresh folders, then runs with nothing to do. Ratios are to the first contender. Folders are
 * removed at the end: a disk that discards what is removed is slow to flush for a while.
 *
 * @returns what became of each: its figures, or why there are none
 */
export async function race(
  contenders: readonly Contender[],
  shape: Shape,
  tries: { readonly first: number; readonly noOp: number },
) {
  const root = await Deno.makeTempDir({ prefix: "noiseline-bench-" });
  const runners = contenders.map((contender) => enter(contender, shape));
  const eachTurn = async (count: number, turn: (runner: Runner, index: number) => Promise<void>) => {
    for (let i = 0; i < count; i++) for (const one of runners) if (one.without === undefined) await turn(one, i);
  };
  try {
    await eachTurn(tries.first, async (runner, index) => {
      const { contender } = runner;
      runner.folder = join(root, `${contender.name}-${index}`);
      await Deno.mkdir(runner.folder);
      await layOut(contender, runner.folder, shape);
      await time(runner, runner.first);
      if (runner.without === undefined) checkAll(runner, shape);
    });
    // What a tool learns from its own first run with nothing to do is part of how it is used.
    await eachTurn(1, async ({ contender, folder }) => void await measure(contender.run, folder));
    await eachTurn(tries.noOp, async (runner) => {
      const before = timeOfLast(runner, shape);
      await time(runner, runner.noOp);
      if (timeOfLast(runner, shape) !== before) throw new Error(`${runner.contender.name} had something to do`);
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
  const [base] = runners;
  return new Map(runners.map((one) => [one.contender.name, conclude(one, base!)]));
}

/** Nothing is known yet of one that takes part, but why there will be no figures, if so. */
function enter(contender: Contender, { count }: Shape) {
  const without = count > (contender.most ?? Infinity) ? "not tried" : undefined;
  return { contender, folder: "", first: [] as Measured[], noOp: [] as Measured[], without };
}

/**
 * Time a run, once what earlier runs left in memory is written out. Most tools flush nothing, and whoever flushes first
 * after them would wait for their files too.
 */
async function time(runner: Runner, runs: Measured[]): Promise<void> {
  if (Deno.build.os !== "windows") await new Deno.Command("sync").output();
  const measured = await measure(runner.contender.run, runner.folder);
  if (measured === undefined) runner.without = "more than 10 minutes";
  else runs.push(measured);
}

function conclude({ without, first, noOp }: Runner, base: Runner) {
  if (without !== undefined) return { without };
  const seconds = (runs: readonly Measured[]) => runs.map((one) => one.seconds);
  return {
    first: median(seconds(first)),
    noOp: median(seconds(noOp)),
    peakMegabytes: Math.max(...noOp.map((one) => one.peakMegabytes)),
    // Medians of the ratios to the first contender.
    firstRatio: median(ratios(seconds(first), seconds(base.first))),
    noOpRatio: median(ratios(seconds(noOp), seconds(base.noOp))),
  };
}

/** Every stage has left what it should: a tool that skipped some would win for nothing. */
function checkAll({ contender, folder }: Runner, shape: Shape): void {
  for (let stage = 0; stage < shape.count; stage++) {
    const lines = Deno.readTextFileSync(outputOf(contender, folder, shape, stage)).trim().split("\n");
    if (lines.at(-1) !== String(stage)) throw new Error(`${contender.name} did not make stage ${stage}`);
  }
}

function timeOfLast({ contender, folder }: Runner, shape: Shape): number {
  return Deno.statSync(outputOf(contender, folder, shape, shape.count - 1)).mtime!.getTime();
}

function outputOf({ output = (_, stage) => textOf(stage) }: Contender, folder: string, shape: Shape, stage: number) {
  return join(folder, output(shape, stage));
}
