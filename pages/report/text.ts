import { escapeMarkup } from "../../std/escape.ts";
import { shortNumber } from "../../std/figures.ts";

/** HTML that is inserted unescaped. */
export class Html {
  constructor(readonly text: string) {}
}

/** Values that HTML may contain: texts are escaped, lists are joined, undefined becomes nothing. */
export type Shown = string | number | undefined | Html | readonly Shown[];

/**
 * Builds HTML from a template. No formatter changes the text of a template with this name. Values may stand between
 * tags or in attributes; all of them are escaped, except those of class `Html`.
 */
export function markup(texts: TemplateStringsArray, ...values: readonly Shown[]): Html {
  return new Html(String.raw({ raw: texts }, ...values.map(textOf)));
}

function textOf(value: Shown): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(textOf).join("");
  return escapeMarkup(String(value ?? ""));
}

/** Cuts a text to a length that people may still read. */
export function shorten(text: string, most = 2_000): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Returns the part of a stage's name that the children of a matrix share. */
export function entryOf(id: string): string {
  return id.split("~")[0]!;
}

/**
 * Returns the name of a stage's param among those of other stages.
 * @param path within the stage, such as `with.steps`
 * @param kind of the stage: a program's params are named like those of other kinds; what says how it is started, such
 * as `with.run`, keeps its path
 */
export function paramName(stage: string, path: string, kind: string): string {
  const place = kind === "command" ? /^with\.(params\.|(?=steps$))/ : /^with\./;
  return `${stage}.${path.replace(place, "")}`;
}

/** Returns the values of a matrix that made a stage, by axis: of `train~lr=0.1@200`, `lr` with `0.1`. */
export function axesOf(id: string): ReadonlyMap<string, string> {
  const pairs = id.replace(/@\d+$/, "").split("~").slice(1).map((pair) => pair.split("="));
  return new Map(pairs.map(([axis, ...value]) => [axis!, value.join("=")]));
}

/** Returns a button that looks like text and copies it, or what stands for it, when it is pressed. */
export function copyButton(text: Shown, copied: string): Html {
  return markup`<button type="button" class="copy" title="copy" data-copy="${copied}">${text}</button>`;
}

/** Returns buttons that copy the figure that they are in: as PNG, and as SVG if it is a drawing. */
export function figureButtons(isDrawing: boolean): Html {
  const forms = isDrawing ? ["SVG", "PNG"] : ["PNG"];
  const buttons = forms.map((form) =>
    markup`<button type="button" data-copy="" data-form="${form.toLowerCase()}" title="copy as ${form}">${form}</button>`
  );
  return markup`<span class="copies">${buttons}</span>`;
}

/** Returns a stage's state as a page displays it. */
export function stateWord(state: string): string {
  return state === "run" ? "to run" : state === "may-run" ? "may run" : state;
}

/** Returns JSON that is safe within a script element. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/** Joins the parts that are defined. */
export function joined(parts: readonly (string | number | undefined)[], separator: string): string {
  return parts.filter((part) => part !== undefined).join(separator);
}

/** Returns a name as a link, if it has an address. */
export function link(name: Shown, href: string | undefined): Shown {
  return href === undefined ? name : markup`<a href="${href}">${name}</a>`;
}

/** Returns a name with its value, such as `seed 7`; undefined if there is no value. */
export function named(name: string, value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : `${name} ${value}`;
}

/** Formats a number with four significant digits, as many as a reader compares. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3);
  return shortNumber(value);
}

/** The rows of a table that are there at first. */
const MOST_ROWS = 40;

/**
 * Returns a table without the columns that are empty in all rows.
 * @param options.sortable true if a click on a column's name sorts by that column
 */
export function table(
  all: readonly Shown[],
  cells: readonly (readonly Shown[])[],
  { sortable = false, most = MOST_ROWS }: { readonly sortable?: boolean; readonly most?: number } = {},
): Html {
  // Once for each column: asked for each row, the rows would be read as often as there are rows.
  const full = all.map((_, i) => cells.length === 0 || cells.some((row) => textOf(row[i]) !== ""));
  const [header, ...rows] = [all, ...cells].map((row) => row.filter((_, i) => full[i])) as [Shown[], ...Shown[][]];
  const names = header.map((text) => sortable ? markup`<button type="button" class="sort">${text}</button>` : text);
  // A cell without a name heads nothing.
  const head = names.map((text) => text === "" ? markup`<td></td>` : markup`<th scope="col">${text}</th>`);
  const body = rows.map((row) => markup`<tr>${row.map((cell) => markup`<td>${cell}</td>`)}</tr>`);
  const inRow = (button: Html) => markup`<tr><td colspan="${header.length}">${button}</td></tr>`;
  const shown = moreOf(body, most, inRow);
  return markup`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${shown}</tbody></table></div>`;
}

/**
 * Returns the first parts, and a button that puts the others in its place: a browser does not build what nobody asked
 * for.
 */
export function moreOf(parts: readonly Html[], most: number, around = (button: Html) => button): Html[] {
  if (parts.length <= most) return [...parts];
  const rest = parts.slice(most);
  // An attribute may have tags in it; with all of them escaped, it would be twice as long.
  const html = new Html(markup`${rest}`.text.replaceAll("&", "&amp;").replaceAll('"', "&quot;"));
  const words = `show ${count(rest.length)} more`;
  return [...parts.slice(0, most), around(markup`<button type="button" data-more="${html}">${words}</button>`)];
}

/** Formats a whole number with thousands separators. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** Returns an address on this server; each part is encoded so that it stays one part. */
export function encodePath(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part.toWellFormed())}`).join("");
}
