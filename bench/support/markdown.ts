import { printLine } from "../../cli/io.ts";

/** Print rows as a Markdown table; the first is its head. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const rule = widths.map((width) => "-".repeat(width));
  for (const row of [rows[0]!, rule, ...rows.slice(1)]) {
    printLine(`| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  }
}
