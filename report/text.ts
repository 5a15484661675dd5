import { escapeMarkup } from "../std/escape.ts";

/** HTML that is shown as it is. */
export class Html {
  constructor(readonly text: string) {}
}

/** What may stand in HTML: texts are escaped, lists stand one after the other, nothing is left out. */
export type Shown = string | number | undefined | Html | readonly Shown[];

/** HTML with values in it, by a name of which no formatter changes the text. Whatever is put in between tags or in attributes, only what is HTML itself acts as such. */
export function markup(texts: TemplateStringsArray, ...values: readonly Shown[]): Html {
  return new Html(String.raw({ raw: texts }, ...values.map(textOf)));
}

function textOf(value: Shown): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(textOf).join("");
  return escapeMarkup(String(value ?? ""));
}

/** A text, but of a long one no more than anybody reads. */
export function shorten(text: string, most = 2_000): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Of a stage's name, what the children of a matrix have in common. */
export function entryOf(id: string): string {
  return id.split("~")[0]!;
}

/** What a param of a stage is called among those of others. @param path within the stage, as `with.steps` */
export function paramName(stage: string, path: string): string {
  return `${stage}.${path.replace(/^with\./, "")}`;
}

/** The state of a stage as a page says it. */
export function stateWord(state: string): string {
  return state === "run" ? "to run" : state === "may-run" ? "may run" : state;
}

/** JSON that is safe within a script element. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/** What there is of some parts. */
export function joined(parts: readonly (string | number | undefined)[], separator: string): string {
  return parts.filter((part) => part !== undefined).join(separator);
}

/** A name that leads somewhere, if it does. */
export function link(name: Shown, href: string | undefined): Shown {
  return href === undefined ? name : markup`<a href="${href}">${name}</a>`;
}

/** `seed 7`; undefined where there is none. */
export function named(name: string, value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : `${name} ${value}`;
}

/** Four digits, as many as a reader compares. */
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

/** A whole number, with its thousands apart. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** An address of a server's own, of which no part can be more than one. */
export function addressOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part.toWellFormed())}`).join("");
}
