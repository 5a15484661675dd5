import { printLine } from "../../../cli/io.ts";
import { quantile } from "../../../science/metrics/spread.ts";

/** The measurements of a process that has ended. */
export type Measured = NonNullable<Awaited<ReturnType<typeof measure>>>;

export interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The time limit of one call. */
const LIMIT_MS = 600_000;

/** The unit of processor times on Linux, of whatever kernel. */
const TICKS = 100;

/**
 * Times one whole process, as a user experiences it. Returns undefined if it took longer than the limit. `text` is the
 * process's output.
 */
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
  let [peak, cpu] = [0, 0];
  const watch = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid));
    cpu = Math.max(cpu, cpuOf(child.pid));
  }, 20);
  const { success, stdout, stderr } = await child.output();
  clearInterval(watch);
  if (late.aborted) return undefined;
  const [text, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
  if (!success) throw new Error(`The benchmarked ${program} failed: ${said.slice(-2_000)}`);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: cpu, peakMegabytes: peak, text };
}

/**
 * Returns the high-water mark of a live process's resident memory, in megabytes, from the kernel; 0 if it cannot be
 * read.
 */
export function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Returns the seconds for which processors have worked for a live process; 0 if they cannot be read. */
function cpuOf(pid: number): number {
  try {
    const [user, system] = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ").slice(11, 13);
    return (Number(user) + Number(system)) / TICKS;
  } catch {
    return 0;
  }
}

export function median(values: readonly number[]): number {
  return quantile(values.toSorted((a, b) => a - b), 0.5);
}

/** Returns the ratio of two figures for each turn, so that load on the machine affects both terms alike. */
export function ratios(own: readonly number[], base: readonly number[]): number[] {
  return own.map((value, turn) => value / base[turn]!);
}

/** Prints a warning if turns differ by more than the machine should make them differ. */
export function warnIfUnstable(name: string, turns: readonly number[], unit: string): void {
  const [least, most] = [Math.min(...turns), Math.max(...turns)];
  if (most <= 1.5 * least) return;
  printLine(
    `\ndisturbed: ${name}'s turns took ${least.toFixed(0)} to ${most.toFixed(0)} ${unit}; measure again when quiet`,
  );
}

/** Formats the median of some figures, and if there are several, their minimum and maximum. */
export function spread(values: readonly number[], digits: number, unit = ""): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((one) => one.toFixed(digits));
  const range = values.length === 1 ? "" : ` (${least} to ${most})`;
  return `${median(values).toFixed(digits)}${unit}${range}`;
}

/** Returns the first line that a program prints, such as its version; undefined if it cannot be run. */
export async function firstLine(program: string, args: readonly string[]): Promise<string | undefined> {
  const ended = await measure({ program, args }, ".").catch(() => undefined);
  return ended?.text.trim().split("\n")[0];
}

/** Prints rows as a Markdown table; the first row is its header. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rule = widths.map((width) => "-".repeat(width));
  for (const row of [rows[0]!, rule, ...rows.slice(1)]) {
    printLine(`| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  }
}
