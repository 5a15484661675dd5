import { formatTable, printLine } from "../../cli/io.ts";

/** Print rows as a Markdown table; the first is its head. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const rule = rows[0]!.map((_, column) => "-".repeat(Math.max(...rows.map((row) => (row[column] ?? "").length))));
  const lines = [rows[0]!, rule, ...rows.slice(1)].map((row) => row.flatMap((cell) => ["|", cell]).concat("|"));
  for (const line of formatTable(lines)) printLine(line.replaceAll(/ {2}\|/g, " |").replaceAll(/\| {2}/g, "| "));
}
