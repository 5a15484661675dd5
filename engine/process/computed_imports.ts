/** What may stand between two words of code. */
const GAP = String.raw`(?:\s|/\*(?:[^*]|\*(?!/))*\*/|//.*[\n\r\u2028\u2029])*`;
/** A call of import, also of `import.defer` and `import.source`. */
const CALL = String.raw`\bimport${GAP}(?:\.${GAP}(?:defer|source)\b${GAP})?\(`;
/** One text that is written out, and nothing computed from it. */
const LITERAL = String.raw`(?:"[^"\\\n]*"|'[^'\\\n]*'|` + "`[^`$\\\\]*`" + String.raw`)${GAP}[,)]`;
const COMPUTED = new RegExp(`${CALL}(?!${GAP}${LITERAL})`);

/**
 * Whether code may import by a name that it computes. Deno then takes in every module of a folder that would fit, so
 * that a file which is not there yet may come to belong to the code. Says yes too often rather than never.
 */
export function importsByComputedName(code: string): boolean {
  return COMPUTED.test(code);
}
