import { all } from "./dom.ts";
import { showFrames } from "./frames.ts";

/** Puts the rest of a list in the place of the button that stands for it. */
export function showMore(button: HTMLElement): void {
  const place = button.closest("tr") ?? button;
  place.insertAdjacentHTML("beforebegin", button.dataset["more"]!);
  place.remove();
  showFrames();
}

function valueIn(row: HTMLTableRowElement, column: number): string | number | undefined {
  const cell = row.cells[column];
  const text = cell?.querySelector("data")?.value ?? cell?.textContent.trim() ?? "";
  return text === "" ? undefined : Number.isNaN(Number(text)) ? text : Number(text);
}

/** Sorts rows by the numbers in a column, or else as text; a second click turns the order round. */
export function sortBy(head: HTMLTableCellElement): void {
  const table = head.closest("table")!;
  all("[data-more]", table).forEach(showMore);
  const sign = head.ariaSort === "ascending" ? -1 : 1;
  for (const other of table.tHead!.rows[0]!.cells) other.ariaSort = null;
  head.ariaSort = sign > 0 ? "ascending" : "descending";
  const body = table.tBodies[0]!;
  body.append(...[...body.rows].sort((a, b) => {
    const [x, y] = [valueIn(a, head.cellIndex), valueIn(b, head.cellIndex)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
  }));
}
