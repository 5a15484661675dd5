/**
 * What the engine itself costs: a run with nothing to do, the overhead of one inline stage, hashing.
 * Whole processes are timed, as a user feels them. Usage: deno task bench:engine [--tries N] [--max STAGES]
 */
import { parseArgs } from "node:util";
import { join } from "node:path";
import { hashFile } from "../engine/store/files.ts";
import { printLine } from "../cli/io.ts";
import { formatTable } from "../cli/format/table.ts";
import { chainPipeline } from "./support/pipelines.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { tries: { type: "string", default: "5" }, max: { type: "string", default: "10000" } },
});
const tries = Number(values.tries);
const CLI = new URL("./support/cli.ts", import.meta.url).pathname;

interface Measured {
  readonly seconds: number;
  readonly peakMegabytes: number;
}

/** Run the command line once, through GNU time where it is there, for the peak of its memory. */
async function runOnce(folder: string, args: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CLI, ...args],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let peak = 0;
  const watch = setInterval(() => peak = Math.max(peak, peakOf(child.pid)), 20);
  const [{ success }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  clearInterval(watch);
  if (!success) throw new Error(`The benchmarked run failed: ${stderr}`);
  return { seconds: (performance.now() - started) / 1000, peakMegabytes: peak };
}

/** High-water mark of a live process, from the kernel. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

const rows: string[][] = [["stages", "first run", "per stage", "no-op", "peak memory of no-op"]];
for (const count of [100, 1_000, 10_000].filter((count) => count <= Number(values.max))) {
  const folder = await Deno.makeTempDir({ prefix: "noiseline-bench-" });
  await Deno.writeTextFile(join(folder, "chains.yaml"), chainPipeline(count));
  const first = await runOnce(folder, ["run", "chains.yaml"]);
  const noOps: Measured[] = [];
  for (let i = 0; i < tries; i++) noOps.push(await runOnce(folder, ["run", "chains.yaml"]));
  const noOp = median(noOps.map(({ seconds }) => seconds));
  rows.push([
    String(count),
    `${first.seconds.toFixed(2)} s`,
    `${((first.seconds - noOp) * 1000 / count).toFixed(2)} ms`,
    `${noOp.toFixed(3)} s`,
    `${Math.max(...noOps.map(({ peakMegabytes }) => peakMegabytes)).toFixed(0)} MB`,
  ]);
  await Deno.remove(folder, { recursive: true });
}
for (const line of formatTable(rows)) printLine(line);

const big = await Deno.makeTempFile({ prefix: "noiseline-bench-" });
await Deno.writeFile(big, new Uint8Array(512 << 20));
const rates: number[] = [];
for (let i = 0; i < tries; i++) {
  const started = performance.now();
  hashFile(big);
  rates.push((512 << 20) / 1e9 / ((performance.now() - started) / 1000));
}
await Deno.remove(big);
printLine(`hashing: ${median(rates).toFixed(2)} GB/s`);
