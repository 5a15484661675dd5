/** Whitespace and comments between two tokens. */
const GAP = String.raw`(?:\s|/\*(?:[^*]|\*(?!/))*\*/|//.*[\n\r\u2028\u2029])*`;
/** A call of import, also of `import.defer` and `import.source`. */
const CALL = String.raw`\bimport${GAP}(?:\.${GAP}(?:defer|source)\b${GAP})?\(`;
/** A single string literal, as the whole argument: nothing is computed. */
const LITERAL = String.raw`(?:"[^"\\\n]*"|'[^'\\\n]*'|` + "`[^`$\\\\]*`" + String.raw`)${GAP}[,)]`;
const COMPUTED = new RegExp(`${CALL}(?!${GAP}${LITERAL})`);

/**
 * Returns true if code may import by a computed name. Deno then includes every module of a folder that would match, so
 * that a file which does not exist yet may come to belong to the code. May return true for code that does not, never
 * false for code that does.
 */
export function importsByComputedName(code: string): boolean {
  return COMPUTED.test(code);
}
