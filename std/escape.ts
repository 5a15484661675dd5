/**
 * Matches characters that act on a terminal or a page, or change the order in which text is shown: C0 without tab and
 * newline, DEL, C1, and the controls of writing from right to left (Boucher and Anderson, "Trojan Source", 2021).
 */
const ACTING =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Writes out the characters of a text that would act, as `\u202e`. */
export function writeOut(text: string): string {
  return text.replaceAll(ACTING, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Escapes a text for markup, between tags and in a quoted attribute, and keeps the order in which it is shown. */
export function escapeMarkup(text: string): string {
  return writeOut(text).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
