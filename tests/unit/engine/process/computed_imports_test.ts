import { assertEquals } from "@std/assert";
import { importsByComputedName } from "../../../../engine/process/computed_imports.ts";

Deno.test("importsByComputedName() knows a name that is written out, whatever stands around it", () => {
  for (
    const code of [
      'import { a } from "./a.ts";\nimport "./b.ts";\nexport * from "./c.ts";',
      'await import("./a.ts");',
      "await import('./a.ts');",
      "await import(`./a.ts`);",
      'await import("./a.json", { with: { type: "json" } });',
      'await import /* one */ (\n  // two\n  "./a.ts" /* three */,\n);',
      "console.log(import.meta.resolve(`./${name}.ts`));",
      "reimport(name); important(name);",
    ]
  ) assertEquals(importsByComputedName(code), false, code);
});

Deno.test("importsByComputedName() finds every way to compute a name", () => {
  for (
    const code of [
      "await import(`./parts/${name}.ts`);",
      'await import("./parts/" + name);',
      'await import(("./parts/" + name));',
      'await import("./parts/" as string + name);',
      "await import(name);",
      'await import(/* "./a.ts" */ name);',
      "await import\n// )\n(`./parts/${name}.ts`);",
      "await import /* a * b */ /**/ ( `./parts/${name}.ts`);",
      "await import.defer(`./parts/${name}.ts`);",
      "await import . source ( `./parts/${name}.ts`);",
      'await import("./a.ts"); await import(name);',
      String.raw`await import("./\")" + name);`,
    ]
  ) assertEquals(importsByComputedName(code), true, code);
});

Deno.test("importsByComputedName() ends for code that is made to hold it up", () => {
  // A pattern that matches in two ways would take twice as long for each repetition, and never end.
  for (const piece of ["/* */", "//\n", "/", "*", " ", "import", "import(", "import/*"]) {
    assertEquals(importsByComputedName(`import${piece.repeat(2_000)}`), piece === "import(", piece);
  }
});
