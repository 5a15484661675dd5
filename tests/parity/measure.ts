// deno-lint-ignore-file no-console -- a tool prints what it finds
/**
 * Measures how far every device is from PyTorch in float64, operation by operation, and prints the worst errors as a
 * table of Markdown. For devices that are absent it prints the reason.
 *
 *     deno task parity [DEVICE ...]
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { printTable } from "../../dev/bench/support/measure.ts";
import { compare, describeError, isWrong } from "./compare.ts";
import { FLOAT32, isRefused, openParityDevice, PARITY_DEVICES, type ParityDeviceName, whyAbsent } from "./devices.ts";
import { FIXTURE_GROUPS, loadCases, type ParityCase } from "./fixtures.ts";
import { runCase } from "./run_case.ts";

export type Measurement = { readonly absent: string } | {
  readonly numerics: string;
  readonly seconds: number;
  /** The worst error of each operation, in roundings, as the table shows it. */
  readonly worst: Readonly<Record<string, string>>;
  /** Errors that are larger than allowed, and cases that could not be computed. */
  readonly problems: readonly string[];
};

async function measure(name: ParityDeviceName, cases: readonly ParityCase[]): Promise<Measurement> {
  const absent = await whyAbsent(name);
  if (absent !== undefined) return { absent };
  const device = await openParityDevice(name);
  const started = performance.now();
  const worst: Record<string, string> = Object.create(null);
  const problems: string[] = [];
  for (const [op, group] of Map.groupBy(cases, ({ op }) => op)) {
    const runs = group.filter((one) => !isRefused(name, one.name));
    if (runs.length === 0) {
      worst[op] = "refused";
      continue;
    }
    try {
      const errors = [];
      for (const one of runs) errors.push(...compare(one, await runCase(device, one), name));
      const largest = Math.max(...errors.map(({ roundings }) => roundings));
      const wrong = errors.filter(isWrong);
      problems.push(...wrong.map(describeError));
      const mark = wrong.length > 0 ? " !" : runs.length < group.length ? " (some refused)" : "";
      worst[op] = largest.toPrecision(2) + mark;
    } catch (error) {
      worst[op] = "failed !";
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  const seconds = (performance.now() - started) / 1000;
  await device.dispose();
  return { worst, problems, numerics: device.numerics, seconds };
}

/** Marks the child's result among the engines' output. */
const ANSWER = "measurement: ";

/** Measures each device in a separate process, because not all engines can share one. */
export async function measureApart(name: ParityDeviceName): Promise<Measurement> {
  const args = ["run", "-A", "--quiet", fileURLToPath(import.meta.url), "--child", name];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: FLOAT32, stderr: "piped" }).output();
  const answer = new TextDecoder().decode(stdout).split("\n").find((line) => line.startsWith(ANSWER));
  if (answer === undefined) {
    throw new Error(
      `Cannot measure ${name}: its process ended without an answer.\n${new TextDecoder().decode(stderr)}`,
    );
  }
  return JSON.parse(answer.slice(ANSWER.length)) as Measurement;
}

async function main(args: readonly string[]): Promise<void> {
  const unknown = args.filter((name) => !(PARITY_DEVICES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`Cannot measure ${unknown.join(", ")}: no such device. Fix: use ${PARITY_DEVICES.join(", ")}.`);
    Deno.exit(2);
  }
  const columns: [string, Readonly<Record<string, string>>][] = [];
  for (const name of PARITY_DEVICES) {
    if (args.length > 0 && !args.includes(name)) continue;
    const measured = await measureApart(name);
    if ("absent" in measured) {
      console.log(`skipped: ${name}: ${measured.absent}`);
      continue;
    }
    console.log(`${name}: ${measured.numerics}, ${measured.seconds.toFixed(1)} s`);
    for (const problem of measured.problems) console.log(`${name}: ${problem}`);
    columns.push([name, measured.worst]);
  }
  const byOperation = Map.groupBy(await allCases(), ({ op }) => op);
  const table = [
    ["operation", "cases", ...columns.map(([name]) => name)],
    ...[...byOperation].map(([op, cases]) => [op, `${cases.length}`, ...columns.map(([, worst]) => worst[op]!)]),
  ];
  console.log();
  printTable(table);
}

async function allCases(): Promise<ParityCase[]> {
  return (await Promise.all(FIXTURE_GROUPS.map(loadCases))).flat();
}

if (import.meta.main) {
  if (Deno.args[0] === "--child") {
    console.log(ANSWER + JSON.stringify(await measure(Deno.args[1] as ParityDeviceName, await allCases())));
    // Engines leave threads behind that would keep the process alive.
    Deno.exit(0);
  }
  await main(Deno.args);
}
