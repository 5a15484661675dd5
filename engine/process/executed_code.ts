import { stripTypeScriptTypes } from "node:module";
import { hashFile, sha256Of, statIfThere } from "../store/reading.ts";

/** What is larger than people write goes by its bytes. */
const MAX_PARSED_BYTES = 256 << 10;
/** Where something stands, and how it is written, does not change what it does; `raw` says all of a number or an expression. */
const LAYOUT = new Set(["start", "end"]);

/** Mostly the tree says all that parentheses do. */
// deno-lint-ignore no-explicit-any
function withoutParens(node: any): any {
  return node?.type === "ParenthesizedExpression" ? withoutParens(node.expression) : node;
}

/**
 * Digest of what a module does: of the syntax tree of the JavaScript that runs, so that an edit of types, comments or
 * layout leaves it as it is. Of what no parser takes, such as JSON, digest of the bytes.
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
      return { type: "Literal", raw: typeof value.value === "string" ? JSON.stringify(value.value) : value.raw };
    });
    return sha256Of(`syntax\n${written}`);
  } catch {
    return hashFile(path);
  }
}
