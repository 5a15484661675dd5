import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { digestExecuted } from "../../../../engine/process/code_syntax_digest.ts";
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

/** Targets of assignments, and values to assign; the parts between `<` and `>` may be put in parentheses. */
const TARGETS = ["<f>", "<o.f>", '<o["f"]>', "o<.f>"];
const VALUES = [
  ...["() => {}", "async () => {}", "function () {}", "function* () {}", "class {}", "class extends <Array> {}"],
  ...["class { static name = 7; }", "function named() {}", "0, () => {}", "o.m", "f => f", "<o.m>, class {}"],
].map((value) => `<${value}>`);
const PLACES = [
  ...["=", "||=", "??=", "&&="].map((operator) => `TARGET ${operator} VALUE;`),
  ...["[TARGET = VALUE] = [];", "({ a: TARGET = VALUE } = {});", "[[TARGET = VALUE]] = [[]];", "({ f = VALUE } = {});"],
  ...["for ([TARGET = VALUE] of [[]]);", "for ({ a: TARGET = VALUE } of [{}]);", "for (TARGET of [VALUE]);"],
  ...["[f = VALUE, ...TARGET] = [];", "f = TARGET = VALUE;", "o.f = g = VALUE;", "{ f = VALUE } f = <f>;"],
  ...[
    "const h = VALUE; seen.push(h);",
    "let [h = VALUE] = []; seen.push(h);",
    "const { h = VALUE } = {}; seen.push(h);",
  ],
  ...["seen.push(...Object.values({ h: VALUE, ['i']: VALUE, 'j': VALUE }));", "seen.push(((p = VALUE) => p)());"],
  ...["seen.push(class { static h = VALUE; }.h);", "seen.push(class { static ['h'] = VALUE; }.h);"],
  ...[
    "seen.push(Object.keys({ __proto__: VALUE }).length);",
    'seen.push(Object.keys({ ["__proto__"]: VALUE }).length);',
  ],
];
/** Expressions in which parentheses may decide the `this` of a call or the scope of an eval. */
const CALLS = [
  ...["<o.m>()", "<0, o.m>()", "<o?.m>()", "o?.m()", "<o>.m()", '<o["m"]>()', "<<o>?.m>()", "<o.m>``", "<none?.a>.b"],
  ...[
    "none?.a.b",
    "<none?.a>()",
    "<eval>('typeof inner')",
    "<0, eval>('typeof inner')",
    "typeof <none>",
    "delete <o.m>",
  ],
  ...["new <o.F>().n", "new <o.F().n>()", "<<2>, 3>", "<1 + <2 + 3>>", "-<1>", "<<o.m>>.name", "<void 0> ?? 1"],
].map((call) => `{ const inner = 1; seen.push(${call}); }`);
const DIRECTIVES = ["seen.push((() => { <'use strict'>; return 1; })());", "<'a'>; seen.push(1);"];

const PROGRAMS = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...PLACES), fc.constantFrom(...TARGETS), fc.constantFrom(...VALUES)),
  },
  fc.constantFrom(...CALLS, ...DIRECTIVES).map((call) => [call, "", ""] as const),
).map(([place, target, value]) => place.replaceAll("TARGET", target).replaceAll("VALUE", value));

/** Writes a program with random parentheses, spaces and comments. */
function spell(program: string, layout: readonly number[]): string {
  const open: number[] = [];
  let next = 0;
  const written = program.replaceAll(/=>|[<>]/g, (mark) => {
    if (mark === "=>") return mark;
    if (mark === "<") open.push(layout[next++ % layout.length]!);
    const how = mark === "<" ? open.at(-1)! : open.pop()!;
    const parens = (mark === "<" ? "(" : ")").repeat(how % 3);
    return how > 5 ? `${parens} /* ${how} */\n` : parens;
  });
  return `export default () => {
  let f, g; const none = undefined, seen = [];
  const o = { m() { return this === o; }, F: class { n = 1; }, f: undefined };
  try {
    ${written}
  } catch (error) { seen.push(error.name); }
  const tell = (one) => typeof one === "function" ? ["function", one.name] : Array.isArray(one) ? one.map(tell) : String(one);
  return JSON.stringify([f, g, o.f, ...seen].map(tell));
};
`;
}

/** Returns what a program reports when it is run; undefined for text that is no valid program. */
function seenOf(code: string): string | undefined {
  try {
    return new Function(code.replace("export default", '"use strict"; return (').replace(/;\n$/, ")();\n"))();
  } catch (error) {
    assert(error instanceof SyntaxError, `${error}`);
    return undefined;
  }
}

Deno.test("programs with one digest do the same, wherever there are parentheses and comments", async () => {
  const layout = fc.array(fc.nat(8), { minLength: 4, maxLength: 8 });
  let [same, other] = [0, 0];
  await fc.assert(
    fc.asyncProperty(PROGRAMS, layout, layout, async (program, ...layouts) => {
      const [one, two] = layouts.map((each) => spell(program, each)) as [string, string];
      const [before, after] = [seenOf(one), seenOf(two)];
      fc.pre(before !== undefined && after !== undefined);
      // TypeScript is run without such parentheses, and digests are taken without them too.
      for (const name of before === after ? ["a.mjs", "a.ts"] : ["a.mjs"]) {
        const isSame = await digestOf(one, name) === await digestOf(two, name);
        if (isSame) assertEquals(after, before, `${one}\n${two}`);
        if (isSame) same++;
        else other++;
      }
    }),
    { numRuns: 160, seed: 1 },
  );
  // Layout does not change a program, except for the few parentheses that take a name away.
  assert(same > 4 * other && other > 0, `${same} and ${other}`);
});
