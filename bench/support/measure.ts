import { printLine } from "../../cli/io.ts";
import { quantile } from "../../metrics/spread.ts";

/** A process that has ended. */
export type Measured = NonNullable<Awaited<ReturnType<typeof measure>>>;

export interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** No peer gets longer for one call. */
const LIMIT_MS = 600_000;

/** Time one whole process, as a user feels it. Undefined where it took too long to wait for. `text` is what it printed. */
export async function measure({ program, args, env = {} }: Call, cwd: string) {
  const late = AbortSignal.timeout(LIMIT_MS);
  const started = performance.now();
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    env,
    stdout: "piped",
    stderr: "piped",
    signal: late,
  }).spawn();
  let peak = 0;
  const watch = setInterval(() => peak = Math.max(peak, peakOf(child.pid)), 20);
  const { success, stdout, stderr } = await child.output();
  clearInterval(watch);
  if (late.aborted) return undefined;
  const [text, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
  if (!success) throw new Error(`The benchmarked ${program} failed: ${said.slice(-2_000)}`);
  return { seconds: (performance.now() - started) / 1000, peakMegabytes: peak, text };
}

/** High-water mark of the resident memory of a live process, in megabytes, from the kernel; 0 where it cannot be seen. */
export function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export function median(values: readonly number[]): number {
  return quantile(values.toSorted((a, b) => a - b), 0.5);
}

/** Of figures turn by turn, so that load on the machine is in both terms. */
export function ratios(own: readonly number[], base: readonly number[]): number[] {
  return own.map((value, turn) => value / base[turn]!);
}

/** Say so where turns differ by more than the machine should make them. */
export function tellDisturbed(name: string, turns: readonly number[], unit: string): void {
  const [least, most] = [Math.min(...turns), Math.max(...turns)];
  if (most <= 1.5 * least) return;
  printLine(
    `\ndisturbed: ${name}'s turns took ${least.toFixed(0)} to ${most.toFixed(0)} ${unit}; measure again when quiet`,
  );
}

/** Median of some figures, and least and most where there are several. */
export function spread(values: readonly number[], digits: number, unit = ""): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((one) => one.toFixed(digits));
  const range = values.length === 1 ? "" : ` (${least} to ${most})`;
  return `${median(values).toFixed(digits)}${unit}${range}`;
}

/** The first line that a program prints, such as its version; undefined where it cannot be run. */
export async function firstLine(program: string, args: readonly string[]): Promise<string | undefined> {
  const ended = await measure({ program, args }, ".").catch(() => undefined);
  return ended?.text.trim().split("\n")[0];
}
