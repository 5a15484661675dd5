import { escapeMarkup } from "../std/escape.ts";

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
 */
export function paramName(stage: string, path: string): string {
  return `${stage}.${path.replace(/^with\./, "")}`;
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
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3);
  return String(Number(value.toPrecision(4)));
}

export function table(header: readonly Shown[], rows: readonly (readonly Shown[])[]): Html {
  const head = header.map((text) => markup`<th scope="col">${text}</th>`);
  const body = rows.map((row) => markup`<tr>${row.map((cell) => markup`<td>${cell}</td>`)}</tr>`);
  return markup`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Formats a whole number with thousands separators. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** Returns an address on this server; each part is encoded so that it stays one part. */
export function encodePath(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part.toWellFormed())}`).join("");
}
