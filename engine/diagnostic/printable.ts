/** Colours and other looks of text: what is left without them is the same text. */
// deno-lint-ignore no-control-regex
const LOOKS = /\u001b\[[\d;]*m/g;

/**
 * What acts on a terminal, or shows text in another order than it has: C0 without tab and newline, DEL, C1, and the
 * controls of writing from right to left (Boucher and Anderson, "Trojan Source", 2021).
 */
const ACTING =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * A text from a stage, a file or a result as it may be shown: what would act on a terminal is written out, as `\u202e`,
 * which in JSON is the same character.
 *
 * @param newline what a line break becomes, such as one with a prefix for the next line, or a space
 */
export function printable(text: string, newline = "\n"): string {
  return text.replaceAll(LOOKS, "").replaceAll(/\r\n|[\r\n]/g, () => newline)
    .replaceAll(ACTING, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
