import { printLine } from "../../cli/io.ts";

/** Prints rows as a Markdown table; the first row is its header. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rule = widths.map((width) => "-".repeat(width));
  for (const row of [rows[0]!, rule, ...rows.slice(1)]) {
    printLine(`| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  }
}
