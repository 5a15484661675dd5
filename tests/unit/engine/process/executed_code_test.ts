import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { digestExecuted } from "../../../../engine/process/executed_code.ts";
import { makeTempFolder } from "../support/temp.ts";

async function digestOf(text: string, name = "a.ts"): Promise<string> {
  await using folder = await makeTempFolder();
  const path = join(folder.path, name);
  Deno.writeTextFileSync(path, text);
  return await digestExecuted(path);
}

const CODE = `import { f } from "./f.ts";
enum E { A, B }
export class P { constructor(private readonly q: number) {} }
export const g = (x: number) => x / 2 + f(\`a\${x}b\`) - E.A; // half
export default { "k": 1.50, r: /a\\/b/g, s: "it's", big: 10n };
`;

const SAME: Readonly<Record<string, string>> = {
  comments: CODE.replace("// half", "/* another */ // half of it"),
  "a doc comment": `/** What it is. */\n${CODE}`,
  types: CODE.replace("x: number", "x: number | bigint"),
  "an import of types": `import type { T } from "./t.ts";\n${CODE}`,
  layout: CODE.replace("x / 2 + f", "(x\n  / 2)\n  + f").replaceAll(", ", ",  "),
  quotes: CODE.replace('"it\'s"', "'it\\'s'"),
};

const OTHER: Readonly<Record<string, string>> = {
  "a number": CODE.replace("x / 2", "x / 3"),
  "an operator": CODE.replace("x / 2", "x * 2"),
  "a name": CODE.replace('"k"', '"l"'),
  "a regular expression": CODE.replace("/g", "/i"),
  "a template": CODE.replace("}b`", "}c`"),
  "a comment that is text": CODE.replace('"it\'s"', '"it // s"'),
  "an order": CODE.replace("A, B", "B, A"),
  "a line after return": CODE.replace("=> x", "=> { return x; } ; export const h = (x: number) => x"),
  "a big number": CODE.replace("10n", "11n"),
  "an import": CODE.replace("./f.ts", "./g.ts"),
};

Deno.test("the digest of code is of what it does", async () => {
  const digest = await digestOf(CODE);
  for (const [what, text] of Object.entries(SAME)) {
    assertNotEquals(text, CODE);
    assertEquals(await digestOf(text), digest, what);
  }
  const others = await Promise.all(
    Object.entries(OTHER).map(([what, text]) => {
      assertNotEquals(text, CODE, what);
      return digestOf(text);
    }),
  );
  assertEquals(new Set([digest, ...others]).size, others.length + 1);
});

Deno.test("a line break that ends a statement is not layout", async () => {
  const code = (gap: string) => `export const f = () => {\n  return${gap}1;\n};\n`;
  assertNotEquals(await digestOf(code(" ")), await digestOf(code("\n")));
  assertEquals(await digestOf(code(" ")), await digestOf(code("  ")));
});

Deno.test("what no parser takes goes by its bytes", async () => {
  for (
    const [name, text] of [["a.json", '{"a":1}'], ["a.tsx", "export const a = 1;"], ["a.js", "@d class {"]] as const
  ) {
    assertNotEquals(await digestOf(text, name), await digestOf(`${text} `, name));
  }
  assertEquals(await digestOf("export const a = 1; // b", "a.js"), await digestOf("export const a = 1;", "a.js"));
});

Deno.test("what is larger than people write goes by its bytes", async () => {
  const code = (note: string) => `export const a = "${"a".repeat(256 << 10)}";${note}`;
  assertNotEquals(await digestOf(code("")), await digestOf(code(" // b")));
});
