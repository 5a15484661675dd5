import { join } from "node:path";
import type { Contender } from "./engine_peers.ts";
import { measure, type Measured, median } from "./measure.ts";
import type { Shape } from "./shapes.ts";

export interface Finished {
  readonly first: number;
  readonly noOp: number;
  readonly peakMegabytes: number;
  /** Medians of the ratios to the first contender, turn by turn. */
  readonly firstRatio: number;
  readonly noOpRatio: number;
}

/** What became of a contender: its figures, or why there are none. */
export type Outcome = Finished | { readonly without: string };

interface Runner {
  readonly contender: Contender;
  folder: string;
  readonly first: number[];
  readonly noOp: number[];
  peak: number;
  without?: string;
}

/**
 * Let contenders do the same graph one after the other in every turn, so that load on the machine falls on all
 * of them: first runs in fresh folders, then runs with nothing to do. Ratios are to the first contender. Folders are
 * removed at the end: a disk that discards what is removed is slow to flush for a while.
 */
export async function race(
  contenders: readonly Contender[],
  shape: Shape,
  tries: { readonly first: number; readonly noOp: number },
): Promise<ReadonlyMap<string, Outcome>> {
  const root = await Deno.makeTempDir({ prefix: "noiseline-bench-" });
  const runners = contenders.map((contender): Runner => ({ contender, folder: "", first: [], noOp: [], peak: 0 }));
  const eachTurn = async (count: number, turn: (runner: Runner, index: number) => Promise<void>) => {
    for (let i = 0; i < count; i++) for (const one of runners) if (one.without === undefined) await turn(one, i);
  };
  try {
    for (const runner of runners) {
      if (shape.count > runner.contender.most) runner.without = "not tried";
    }
    await eachTurn(tries.first, async (runner, index) => {
      const { contender } = runner;
      if (contender.slow === true && shape.count > 100 && index > 0) return;
      runner.folder = join(root, `${contender.name}-${index}`);
      await Deno.mkdir(runner.folder);
      await contender.prepare(runner.folder, shape);
      await settleDisk();
      note(runner, runner.first, await measure(contender.run(shape), runner.folder));
      if (runner.without === undefined) checkAll(runner, shape);
    });
    // What a tool learns from its own first run with nothing to do is part of how it is used.
    await eachTurn(1, async ({ contender, folder }) => void await measure(contender.run(shape), folder));
    await eachTurn(tries.noOp, async (runner) => {
      const before = timeOfLast(runner, shape);
      await settleDisk();
      const measured = await measure(runner.contender.run(shape), runner.folder);
      note(runner, runner.noOp, measured);
      runner.peak = Math.max(runner.peak, measured?.peakMegabytes ?? 0);
      if (timeOfLast(runner, shape) !== before) throw new Error(`${runner.contender.name} had something to do`);
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
  const [base] = runners;
  return new Map(runners.map((one) => [one.contender.name, conclude(one, base!)]));
}

/**
 * Write out what earlier runs left in memory. Most tools flush nothing, and whoever flushes first after them would wait
 * for their files too.
 */
async function settleDisk(): Promise<void> {
  if (Deno.build.os !== "windows") await new Deno.Command("sync").output();
}

function note(runner: Runner, times: number[], measured: Measured | undefined): void {
  if (measured === undefined) runner.without = "more than 10 minutes";
  else times.push(measured.seconds);
}

function conclude(runner: Runner, base: Runner): Outcome {
  if (runner.without !== undefined) return { without: runner.without };
  const ratio = (own: readonly number[], other: readonly number[]) =>
    median(own.map((time, index) => time / other[index]!));
  return {
    first: median(runner.first),
    noOp: median(runner.noOp),
    peakMegabytes: runner.peak,
    firstRatio: ratio(runner.first, base.first),
    noOpRatio: ratio(runner.noOp, base.noOp),
  };
}

/** Every stage has left what it should: a tool that skipped some would win for nothing. */
function checkAll({ contender, folder }: Runner, shape: Shape): void {
  for (let stage = 0; stage < shape.count; stage++) {
    const lines = Deno.readTextFileSync(join(folder, contender.output(shape, stage))).trim().split("\n");
    if (lines.at(-1) !== String(stage)) throw new Error(`${contender.name} did not make stage ${stage}`);
  }
}

function timeOfLast({ contender, folder }: Runner, shape: Shape): number {
  return Deno.statSync(join(folder, contender.output(shape, shape.count - 1))).mtime!.getTime();
}
