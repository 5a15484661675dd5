import { printable } from "noiseline/core";

/** Columns padded to their widest cell; a cell that is wider than this moves what follows it in its own row alone. */
const MAX_WIDTH = 60;
/** Nobody reads more in a cell; `--json` has all of it. */
const MAX_CELL = /^(.{500}).+$/su;

/** Rows of cells as lines. Cells must be free of colour codes; style whole lines. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  const shown = rows.map((row) => row.map((cell) => printable(cell, " ").replace(MAX_CELL, "$1…")));
  for (const row of shown) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, Math.min(cell.length, MAX_WIDTH)));
  }
  return shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}
