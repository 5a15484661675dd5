import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkExports, checkTree, formatViolation } from "../../../dev/check_layers.ts";
import { readTree } from "../../../dev/layers/module_graph.ts";
import { makeTree } from "./tree.ts";

const MAP = {
  noiseline: "./mod.ts",
  "@std/text": "./std/text.ts",
  zod: "npm:zod@4.6.7",
  "deno-std/": "npm:/deno-std@1/",
};

async function check(files: Readonly<Record<string, string>>): Promise<string[]> {
  await using tree = await makeTree(files, MAP);
  return checkTree(await readTree(tree.root)).map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

Deno.test("checkTree() accepts a tree that keeps to its layers", async () => {
  assertEquals(
    await check({
      "schemas/a.ts": 'import { z } from "zod";\nexport const a = z;\n',
      "std/text.ts": 'export { levenshteinDistance } from "deno-std/text.js";\n',
      "science/tensor/device.ts": "export interface Device {}\n",
      "science/diffusion/loss.ts": 'import type { Device } from "../tensor/device.ts";\nexport type Loss = Device;\n',
      "science/formats/png_encoder.ts": 'export const read = () => Deno.readFileSync("a");\n',
      "engine/contract/stage.ts": "export interface Run {}\n",
      "stages/train.ts":
        'import "../science/diffusion/loss.ts";\nimport "../schemas/a.ts";\nimport "../science/formats/png_encoder.ts";\n',
      "package/worker.ts": 'export * from "../engine/process/host.ts";\n',
      "engine/process/host.ts": 'import type { Run } from "../contract/stage.ts";\nexport type Host = Run;\n',
      "engine/run.ts":
        'import { l } from "@std/text";\nimport { a } from "../schemas/a.ts";\nexport const r = [l, a];\n',
      "cli/main.ts": 'import { x } from "noiseline";\nimport { Command } from "commander";\nDeno.exit(x(Command));\n',
      "mod.ts":
        '/** Public. */\nexport * from "./engine/run.ts";\nexport type { Run } from "./engine/contract/stage.ts";\n',
      "tests/any_test.ts": 'import "../cli/main.ts";\nconsole.log(Deno.pid);\n',
    }),
    [],
  );
});

const FORBIDDEN: readonly [name: string, path: string, source: string, message: string][] = [
  ["a schema imports another package", "schemas/a.ts", 'import "yaml";', 'schemas may not import the package "yaml"'],
  [
    "a schema imports the engine",
    "schemas/a.ts",
    'import type { X } from "../engine/x.ts";',
    "schemas may not import engine, a room after it",
  ],
  ["a schema uses Deno", "schemas/a.ts", "export const a = Deno.pid;", "schemas may not use Deno.*"],
  ["std imports a schema", "std/a.ts", 'import "../schemas/a.ts";', "std may not import schemas, a room after it"],
  [
    "diffusion runs tensor code",
    "science/diffusion/a.ts",
    'import { x } from "../tensor/x.ts";',
    "only types of science/tensor",
  ],
  ["diffusion knows a schema", "science/diffusion/a.ts", 'import "../../schemas/a.ts";', "only types of schemas"],
  ["diffusion draws", "science/diffusion/a.ts", 'import "uplot";', 'diffusion may not import the package "uplot"'],
  [
    "diffusion reads files",
    "science/diffusion/a.ts",
    'import "node:fs";',
    'diffusion may not import the package "node:fs"',
  ],
  [
    "metrics import diffusion",
    "science/metrics/a.ts",
    'import "../diffusion/a.ts";',
    "may not import science/diffusion/a.ts",
  ],
  ["tensor uses Deno", "science/tensor/a.ts", 'Deno["pid"];', "tensor may not use Deno.*"],
  [
    "tensor knows stages",
    "science/tensor/a.ts",
    'import "../../stages/mod.ts";',
    "science may not import stages, a room after it",
  ],
  [
    "a format imports ours",
    "science/formats/a.ts",
    'import "../../schemas/a.ts";',
    "formats may not import schemas/a.ts",
  ],
  [
    "a room of the engine knows a later one",
    "engine/store/a.ts",
    'import type { X } from "../plan/a.ts";',
    "engine/store may not import engine/plan, a room after it",
  ],
  [
    "the engine knows a kind",
    "engine/a.ts",
    'import type { X } from "../stages/train.ts";',
    "engine may not import stages, a room after it",
  ],
  [
    "the engine knows the science",
    "engine/a.ts",
    'import "../science/diffusion/a.ts";',
    "engine may not import science/diffusion/a.ts",
  ],
  ["the engine knows mod.ts", "engine/a.ts", 'import "noiseline";', "engine may not import mod.ts, a room after it"],
  ["a stage calls the engine", "stages/train.ts", 'import "../engine/a.ts";', "stages may not import engine/a.ts"],
  [
    "the worker leaves its door",
    "package/worker.ts",
    'import "../pages/a.ts";',
    "package may not import pages, a room after it",
  ],
  ["the command line goes around mod.ts", "cli/a.ts", 'import "../engine/a.ts";', "cli may not import engine/a.ts"],
  ["a dynamic import", "cli/a.ts", 'const x = await import("../stages/mod.ts");', "cli may not import stages/mod.ts"],
  [
    "a room needs the cluster",
    "engine/cluster.ts",
    'import type { X } from "./cluster/a.ts";',
    "may not import engine/cluster/a.ts, which can be deleted",
  ],
  [
    "package/doors/engine.ts lists the cluster",
    "package/doors/engine.ts",
    'export * from "../../engine/cluster/a.ts";',
    "package/doors/engine.ts may not import engine/cluster/a.ts, which can be deleted",
  ],
  [
    "the package's entry needs the cluster",
    "package/engine.ts",
    'export type { X } from "../engine/cluster/a.ts";',
    "package/engine.ts may not import engine/cluster/a.ts, which can be deleted",
  ],
  [
    "kinds need the cluster",
    "package/doors/kinds.ts",
    'export * from "./cluster.ts";',
    "package/doors/kinds.ts may not import package/doors/cluster.ts",
  ],
  ["mod.ts has code", "mod.ts", 'export * from "./a.ts";\nexport const x = 1;', "mod.ts holds re-exports only"],
];

for (const [name, path, source, message] of FORBIDDEN) {
  Deno.test(`checkTree() refuses when ${name}`, async () => {
    const found = await check({ [path]: `\n${source}\n` });
    assertEquals(found.length, 1, found.join("\n"));
    assertStringIncludes(found[0]!, `${path}:${path === "mod.ts" ? 3 : 2}: `);
    assertStringIncludes(found[0]!, message);
  });
}

Deno.test("checkTree() does not take texts and comments for code", async () => {
  assertEquals(
    await check({ "schemas/a.ts": '// Deno.pid\nexport const a = "Deno.pid";\n' }),
    [],
  );
});

Deno.test("checkTree() prints a cycle file by file, type imports included", async () => {
  const found = await check({
    "schemas/a.ts": 'import "./b.ts";\n',
    "schemas/b.ts": '\nimport type { C } from "./c.ts";\n',
    "schemas/c.ts": 'import { a } from "./a.ts";\n',
    "schemas/d.ts": 'import "./a.ts";\n',
  });
  assertEquals(found, [
    "schemas/a.ts:1: imports go in a circle: schemas/a.ts:1 -> schemas/b.ts:2 -> schemas/c.ts:1 -> schemas/a.ts",
  ]);
});

Deno.test("checkTree() sees a file that imports itself, and a cycle through a dynamic import", async () => {
  const found = await check({
    "tests/self.ts": 'import "./self.ts";\n',
    "tests/a.ts": 'await import("./b.ts");\n',
    "tests/b.ts": 'import "./a.ts";\n',
  });
  assertEquals(found.map((text) => text.split(": ").at(-1)), [
    "tests/a.ts:1 -> tests/b.ts:1 -> tests/a.ts",
    "tests/self.ts:1 -> tests/self.ts",
  ]);
});

Deno.test("checkTree() wants a reason at the top of a file of more than 400 lines", async () => {
  const lines = (count: number) => "export {};\n".repeat(count);
  const found = await check({
    "tests/long.ts": lines(401),
    "tests/just.ts": lines(400),
    "tests/reasoned.ts": `// A table that is easier to read in one piece.\n${lines(400)}`,
  });
  assertEquals(found, ["tests/long.ts:1: the file has 401 lines, more than 400"]);
});

Deno.test("formatViolation() says where, what and the fix", () => {
  const text = formatViolation({ path: "cli/a.ts", line: 3, message: "cli may not import x", fix: "do y" });
  assertEquals(text, "cli/a.ts:3: cli may not import x\n  fix: do y");
});

/** Ways to export `it`. */
const EXPORTS = [
  "export const it = 1;",
  "export const [other, it] = [1, 2];",
  "export const { it } = { it: 1 };",
  "export function it() {}",
  "export async function it() {}",
  "export function* it() {}",
  "export class it {}",
  "export abstract class it {}",
  "export enum it {}",
  "export interface it {}",
  "export type it = 1;",
  "const one = 1;\nexport { one as it };",
  'export { it } from "./below.ts";',
  'export type {\n  other,\n  it,\n} from "./below.ts";',
];
/** Files beside `schemas/a.ts` that use its export `it`. */
const USES: readonly Readonly<Record<string, string>>[] = [
  { "schemas/b.ts": 'import { it } from "./a.ts";\nconsole.log(it);\n' },
  { "schemas/b.ts": 'import type { it as other } from "./a.ts";\nlet _: other;\n' },
  { "schemas/b.ts": 'import * as a from "./a.ts";\nconsole.log(a);\n' },
  { "schemas/b.ts": 'const { it } = await import("./a.ts");\nconsole.log(it);\n' },
  { "schemas/b.ts": 'export * from "./a.ts";\n', "cli/c.ts": 'import { it } from "../schemas/b.ts";\nit();\n' },
  { "mod.ts": 'export * from "./schemas/a.ts";\n' },
  { "mod.ts": 'export { it } from "./schemas/a.ts";\n' },
];
/** Files that do not. */
const OTHERS: readonly Readonly<Record<string, string>>[] = [
  {},
  { "schemas/b.ts": 'import "./a.ts";\n// it is "it"\nconsole.log("it");\n' },
  { "schemas/b.ts": "const it = 1;\nconsole.log(it);\n" },
  { "schemas/b.ts": 'export * from "./a.ts";\n' },
];
const TEST = { "tests/a_test.ts": 'import { it } from "../schemas/a.ts";\nconsole.log(it);\n' };

/** Returns messages about the export `it` of `schemas/a.ts`. */
async function checkIt(source: string, files: Readonly<Record<string, string>>): Promise<string[]> {
  await using tree = await makeTree({ ...files, "schemas/a.ts": `${source}\n` }, MAP);
  const found = checkExports(await readTree(tree.root));
  return found.filter(({ path, message }) => path === "schemas/a.ts" && /\bit$/.test(message.replace(/^only.* /, "")))
    .map(({ message }) => message);
}

Deno.test("checkExports() finds an export that no file uses, however it is exported", async () => {
  for (const source of EXPORTS) {
    assertEquals(await checkIt(source, {}), ["no other file uses the export it"], source);
    assertEquals(await checkIt(source, USES[0]!), [], source);
  }
});

Deno.test("checkExports() sees each way to use an export, and takes nothing else for one", async () => {
  for (const files of USES) assertEquals(await checkIt("export const it = 1;", files), [], JSON.stringify(files));
  for (const files of OTHERS) {
    const found = await checkIt("export const it = 1;", files);
    assertEquals(found, ["no other file uses the export it"], JSON.stringify(files));
  }
});

Deno.test("checkExports() allows tests to use what its own file needs, and nothing that is there for tests alone", async () => {
  assertEquals(await checkIt("export const it = 1;", TEST), ["only tests use it"]);
  assertEquals(await checkIt("export const it = 1;\nconsole.log(it);", TEST), []);
  assertEquals(await checkIt("export const it = 1;\nconsole.log(it);", {}), ["no other file uses the export it"]);
});
