import type { ReportPicture } from "./model.ts";

/** Text that is safe between tags and in attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Of a stage's name, what the children of a matrix have in common. */
export function entryOf(id: string): string {
  return id.split("~")[0]!;
}

/** JSON that is safe within a script element. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

/** What there is of some parts. */
export function joined(parts: readonly (string | number | undefined)[], separator: string): string {
  return parts.filter((part) => part !== undefined).join(separator);
}

export function dataUri({ bytes, isDrawing }: Pick<ReportPicture, "bytes" | "isDrawing">): string {
  return `data:image/${isDrawing ? "svg+xml" : "png"};base64,${bytes.toBase64()}`;
}

/** Four digits, as many as a reader compares. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3);
  return String(Number(value.toPrecision(4)));
}
