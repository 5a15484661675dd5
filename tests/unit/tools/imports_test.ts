import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { findImports } from "../../../tools/layers/imports.ts";
import { blankSource } from "../../../tools/layers/source_text.ts";

const found = (source: string) =>
  findImports(source).map(({ specifier, line, typeOnly }) => `${line} ${specifier}${typeOnly ? " type" : ""}`);

Deno.test("findImports() finds static, type, side-effect, re-exported and dynamic imports with their lines", () => {
  const source = [
    'import a from "./a.ts";',
    'import type { B } from "./b.ts";',
    'import { type C, type D } from "./c.ts";',
    'import { type E, f } from "./e.ts";',
    'import "./side.ts";',
    'export * from "./g.ts";',
    'export type { H } from "./h.ts";',
    "import {",
    "  i,",
    '} from "./i.ts";',
    'const later = () => import("./j.ts");',
    'type K = typeof import("./k.ts");',
    'const l = await importLate<typeof import("./late.ts")>(import.meta.resolve("./late.ts"));',
    'import type from "./l.ts";',
    'import manifest from "./m.json" with { type: "json" };',
    "const n = await import(`./n.ts`);",
  ].join("\n");
  assertEquals(found(source), [
    "1 ./a.ts",
    "2 ./b.ts type",
    "3 ./c.ts type",
    "4 ./e.ts",
    "5 ./side.ts",
    "6 ./g.ts",
    "7 ./h.ts type",
    "8 ./i.ts",
    "11 ./j.ts",
    "12 ./k.ts type",
    "13 ./late.ts",
    "14 ./l.ts",
    "15 ./m.json",
    "16 ./n.ts",
  ]);
});

Deno.test("findImports() is not fooled by comments, texts, templates and regular expressions", () => {
  const source = [
    '// import a from "./a.ts";',
    '/* import b from "./b.ts"; */',
    'const c = `import c from "./c.ts"; ${`export * from "./d.ts"`}`;',
    "const e = 'import e from \"./e.ts\";';",
    'const f = /import "x" from "[`/]"/.test(c); // "',
    'const half = 4 / 2; const url = "https://x"; import("./real.ts");',
    "const g = await import(`./${c}.ts`);",
    "export const h = 1;",
    'const from = "./not.ts";',
  ].join("\n");
  assertEquals(found(source), ["6 ./real.ts"]);
});

Deno.test("blankSource() keeps length and lines, whatever the text", () => {
  const pieces = fc.constantFrom("`", "${", "}", "{", '"', "'", "/", "*", "//", "/*", "*/", "\\", "\n", "a", " ", "=");
  fc.assert(fc.property(fc.array(pieces, { maxLength: 30 }), fc.boolean(), (parts, keepTexts) => {
    const source = parts.join("");
    const blanked = blankSource(source, { keepTexts });
    assertEquals(blanked.length, source.length);
    assertEquals(blanked.split("\n").length, source.split("\n").length);
  }));
});
