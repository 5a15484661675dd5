import { stripTypeScriptTypes } from "node:module";
import { hashFile, sha256Of, statIfThere } from "../store/reading.ts";

/** Files larger than people write are digested by their bytes. */
const MAX_PARSED_BYTES = 256 << 10;
/** Keys of a syntax node that the digest leaves out: its position, which does not change what the code does. */
const LAYOUT = new Set(["start", "end"]);

/** Returns a node without its parentheses: the structure of the tree mostly says the same. */
// deno-lint-ignore no-explicit-any
function withoutParens(node: any): any {
  return node?.type === "ParenthesizedExpression" ? withoutParens(node.expression) : node;
}

/**
 * Digests what a module does: the syntax tree of the JavaScript that runs, so that edits of types, comments or layout
 * leave the digest as it is. A file that no parser takes, such as JSON, is digested by its bytes.
 */
export async function digestExecuted(path: string): Promise<string> {
  const isTyped = /\.m?ts$/.test(path);
  if (!(isTyped || /\.m?js$/.test(path)) || (statIfThere(path)?.size ?? 0) > MAX_PARSED_BYTES) return hashFile(path);
  const text = Deno.readTextFileSync(path);
  try {
    const code = isTyped ? stripTypeScriptTypes(text, { mode: "transform" }) : text;
    const { parse } = await import("acorn");
    const options = { sourceType: "module", allowHashBang: true, preserveParens: true } as const;
    const tree = parse(code, { ecmaVersion: "latest", ...options });
    const written = JSON.stringify(tree, function (this: Readonly<Record<string, unknown>>, key, given) {
      if (LAYOUT.has(key)) return undefined;
      const value = withoutParens(given);
      // `f = () => {}` gives the function a name, and `(f) = () => {}` does not (ECMA-262, 13.15.2 and 13.15.5).
      const isTarget = key === "left" && /^Assignment/.test(`${this["type"]}`);
      if (isTarget && value !== given && value?.type === "Identifier") return { ...value, parenthesised: true };
      if (value?.type !== "Literal") return value;
      // A string goes by its value, whatever its quotes; `raw` alone describes a number or a regular expression whole.
      return { type: "Literal", raw: typeof value.value === "string" ? JSON.stringify(value.value) : value.raw };
    });
    return sha256Of(`syntax\n${written}`);
  } catch {
    return hashFile(path);
  }
}
