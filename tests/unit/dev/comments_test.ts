import { assertEquals } from "@std/assert";
import plugin from "../../../dev/lint/comments.ts";

const findingsIn = (code: string) =>
  Deno.lint.runPlugin(plugin, "some.ts", code).map(({ id, range }) => [id, code.slice(...range)]);

Deno.test("a comment that opens with What, Of or Whether is reported, wherever it stands, and no other", () => {
  const code = `
/** What it is. */
const a = 1; // Of no use.
/**
 * Whether it holds.
 * @returns what comes of it
 */
// Offers what a reader wants. What follows is fine within a line.
const b = "// What a string says";
/** @returns Whether it holds. */
`;
  assertEquals(findingsIn(code), [
    ["noiseline/comment-opening", "/** What it is. */"],
    ["noiseline/comment-opening", "// Of no use."],
    ["noiseline/comment-opening", "/**\n * Whether it holds.\n * @returns what comes of it\n */"],
    ["noiseline/comment-opening", "/** @returns Whether it holds. */"],
  ]);
});

Deno.test("a comment is reported if one of its lines, with what stands before it, is over 120 columns; code is not", () => {
  const fits = `// ${"x".repeat(117)}`;
  const block = `/**\n * short\n * ${"é".repeat(118)}\n */`;
  const code = `${fits}\n ${fits}\n${block}\nconst s = "${"y".repeat(200)}";\n`;
  assertEquals(findingsIn(code), [["noiseline/comment-width", fits], ["noiseline/comment-width", block]]);
});
