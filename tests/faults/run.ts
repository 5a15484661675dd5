/** `deno task test:faults`: runs the tests of this folder, then prints the table of all faults that they tried. */
import type { Row } from "../support/faults/tally.ts";

const table = await Deno.makeTempFile({ prefix: "noiseline-faults-", suffix: ".jsonl" });
const folder = new URL(".", import.meta.url).pathname;
/** Files that take longest begin first, or the last of them would run while all other processors wait. */
const FIRST = ["shared_cache", "stage_kills"];
const files = [...FIRST.map((name) => `${folder}${name}_test.ts`), folder];
const started = performance.now();
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", "--parallel", "--quiet", "--no-check", ...(Deno.args.length > 0 ? Deno.args : files)],
  // Tests wait for processes to be killed, to end and to time out: one more than there are processors run at once.
  env: { NOISELINE_FAULTS_TABLE: table, DENO_JOBS: String(navigator.hardwareConcurrency + 1) },
}).spawn().status;

const rows = Deno.readTextFileSync(table).split("\n").filter((line) => line !== "").map((line) =>
  JSON.parse(line) as Row
);
Deno.removeSync(table);
rows.sort((a, b) => a.kind < b.kind ? -1 : 1);
const sum = (name: "points" | "tries" | "lost" | "wrong") => rows.reduce((total, row) => total + row[name], 0);
const lines = [
  ["fault", "points", "tries", "lost work", "wrong bytes"],
  ...rows.map(({ kind, points, tries, lost, wrong }) => [kind, points, tries, lost, wrong].map(String)),
  ["all", sum("points"), sum("tries"), sum("lost"), sum("wrong")].map(String),
];
const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
const show = (line: readonly string[]) =>
  `| ${
    line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join(" | ")
  } |`;
lines.splice(1, 0, widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
if (rows.length > 0) {
  // deno-lint-ignore no-console
  console.log(`\n${lines.map(show).join("\n")}\n${((performance.now() - started) / 1000).toFixed(0)} s`);
}
Deno.exit(code);
