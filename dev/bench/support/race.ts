import { join } from "node:path";
import { makeTemporaryFolder } from "../../../engine/store/folders.ts";
import type { Contender } from "./engine_peers.ts";
import { measure, type Measured, median, ratios } from "./measure.ts";
import { type Shape, textOf } from "./shapes.ts";

type Runner = ReturnType<typeof makeRunner>;

/**
 * Lets contenders process the same graph one after the other in every turn, so that load on the machine affects all of
 * them: first runs in fresh folders, then runs with nothing to do. Ratios are to the first contender. Folders are
 * removed at the end: a disk that discards removed blocks is slow to flush for a while.
 *
 * @returns for each contender a row of a table: its name and its figures, or why there are none
 */
export async function race(
  contenders: readonly Contender[],
  shape: Shape,
  tries: { readonly first: number; readonly noOp: number },
) {
  await using temporary = await makeTemporaryFolder();
  const runners = contenders.map((contender) => makeRunner(contender, shape));
  const eachTurn = async (count: number, turn: (runner: Runner, index: number) => Promise<void>) => {
    for (let i = 0; i < count; i++) for (const one of runners) if (one.without === undefined) await turn(one, i);
  };
  await eachTurn(tries.first, async (runner, index) => {
    const { name, files, prepare } = runner.contender;
    const folder = runner.folder = join(temporary.folder, `${name}-${index}`);
    await Deno.mkdir(join(folder, "out"), { recursive: true });
    for (const [file, text] of Object.entries(files(shape))) await Deno.writeTextFile(join(folder, file), text);
    await prepare?.(folder);
    await time(runner, runner.first);
    if (runner.without === undefined) checkAll(runner, shape);
  });
  // A tool may learn something from its first run with nothing to do; that run is not timed, because users repeat it.
  await eachTurn(1, async ({ contender, folder }) => void await measure(contender.run, folder));
  await eachTurn(tries.noOp, async (runner) => {
    const before = timeOfLast(runner, shape);
    await time(runner, runner.noOp);
    if (timeOfLast(runner, shape) !== before) throw new Error(`${runner.contender.name} had something to do`);
  });
  const [base] = runners;
  return runners.map((one) => rowOf(one, base!));
}

/** Returns a contender's record without measurements, or with the reason why it is not measured. */
function makeRunner(contender: Contender, { count }: Shape) {
  const without = count > (contender.most ?? Infinity) ? "not tried" : undefined;
  return { contender, folder: "", first: [] as Measured[], noOp: [] as Measured[], without };
}

/**
 * Times a run, after all data that earlier runs left in memory have been written to disk. Most tools flush nothing, and
 * the first one after them that flushes would have to wait for their files too.
 */
async function time(runner: Runner, runs: Measured[]): Promise<void> {
  if (Deno.build.os !== "windows") await new Deno.Command("sync").output();
  const measured = await measure(runner.contender.run, runner.folder);
  if (measured === undefined) runner.without = "more than 10 minutes";
  else runs.push(measured);
}

function rowOf({ contender: { name }, without, first, noOp }: Runner, base: Runner): string[] {
  if (without !== undefined) return [name, without, "", "", "", ""];
  const peak = Math.max(...noOp.map((one) => one.peakMegabytes));
  // If a process ended before its memory could be read, there is no figure.
  const held = peak === 0 ? "" : `${peak.toFixed(0)} MB`;
  return [name, ...figures(first, base.first), ...figures(noOp, base.noOp), held];
}

/** Returns the median time, and the median of the ratios to the first contender. */
function figures(own: readonly Measured[], base: readonly Measured[]): string[] {
  const seconds = (runs: readonly Measured[]) => runs.map((one) => one.seconds);
  const time = median(seconds(own));
  return [`${time.toFixed(time < 1 ? 3 : 1)} s`, median(ratios(seconds(own), seconds(base))).toFixed(2)];
}

/** Checks that every stage has made its output: a tool that skipped some would have an unfair advantage. */
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
