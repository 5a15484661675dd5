import { assertEquals } from "@std/assert";
import { readTree } from "../../../dev/layers/module_graph.ts";
import { makeTree } from "./tree.ts";

async function found(source: string): Promise<string[]> {
  await using tree = await makeTree({ "x/a.ts": source }, { zod: "npm:zod@4.6.7", named: "./x/named.ts" });
  return (await readTree(tree.root)).get("x/a.ts")!.edges.map(({ target, line, typeOnly }) =>
    `${line} ${"file" in target ? target.file : `package ${target.package}`}${typeOnly ? " type" : ""}`
  );
}

Deno.test("readTree() finds static, type, side-effect, re-exported, dynamic and late imports with their lines", async () => {
  const source = [
    'import a from "./a1.ts";',
    'import type { B } from "./b.ts";',
    'import { type E, f } from "../e.ts";',
    'import "./side.ts";',
    'export * from "./g.ts";',
    'export type { H } from "./h.ts";',
    "import {",
    "  i,",
    '} from "./i.ts";',
    'const later = () => import("./j.ts");',
    'type K = typeof import("./k.ts");',
    'const l = await importLate<typeof import("./late.ts")>(import.meta.resolve("./late.ts"));',
    'import manifest from "./m.json" with { type: "json" };',
    'import { n } from "named";',
    'import { z } from "zod/mini";',
    'import "node:fs";',
    'import "@unknown/package/part";',
  ].join("\n");
  assertEquals(await found(source), [
    "1 x/a1.ts",
    "2 x/b.ts type",
    "3 e.ts",
    "4 x/side.ts",
    "5 x/g.ts",
    "6 x/h.ts type",
    "9 x/i.ts",
    "10 x/j.ts",
    "11 x/k.ts type",
    "12 x/late.ts",
    "13 x/m.json",
    "14 x/named.ts",
    "15 package zod",
    "16 package node:fs",
    "17 package @unknown/package",
  ]);
});
