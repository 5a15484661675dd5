import process from "node:process";
import { type MessageStyle, printable } from "noiseline/core";

export interface Style extends MessageStyle {
  readonly good: (text: string) => string;
  readonly accent: (text: string) => string;
}

const wrap = (open: number, close: number) => (text: string) => `\u001b[${open}m${text}\u001b[${close}m`;
const same = (text: string) => text;

const COLOURED: Style = {
  error: wrap(31, 39),
  warning: wrap(33, 39),
  good: wrap(32, 39),
  accent: wrap(36, 39),
  dim: wrap(2, 22),
  bold: wrap(1, 22),
};
const PLAIN: Style = { error: same, warning: same, good: same, accent: same, dim: same, bold: same };

/** Colours only on a terminal, and never where NO_COLOR asks for none. */
export function styleFor(stream: { readonly isTTY?: boolean } = process.stdout): Style {
  const wanted = stream.isTTY === true && !Deno.env.get("NO_COLOR") && Deno.env.get("TERM") !== "dumb";
  return wanted ? COLOURED : PLAIN;
}

/** The codes of {@linkcode COLOURED}. */
// deno-lint-ignore no-control-regex
const OWN_CODES = /(\u001b\[(?:1|2|22|3[1236]|39)m)/;

/** Output as it may be shown: nothing in it acts on a terminal but the colours from here, and those only where wanted. */
export function shown(text: string, style: Style): string {
  if (style === PLAIN) return printable(text);
  return text.split(OWN_CODES).map((part, i) => i % 2 === 0 ? printable(part) : part).join("");
}
