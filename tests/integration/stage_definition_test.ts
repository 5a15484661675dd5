import { assertEquals } from "@std/assert";
import { Project } from "../support/project.ts";

const define = (rest: string, params = "") =>
  `import { defineStage, externalFile } from "noiseline";
import { z } from "zod";
export default defineStage({ summary: "", params: z.strictObject({ ${params} }), inputs: {}, ${rest}, async run() {} });
`;
const OUT = 'outputs: { out: { type: "files", description: "" } }';

/** Stage files that cannot be used, each with the expected error and fix. */
const BROKEN: Readonly<Record<string, readonly [code: string, error: string, fix: string]>> = {
  syntax: ["const a = 1;\nconst x = ;\n", "syntax.ts:2:11: SyntaxError: Expression expected", "correct the code there"],
  imported: ['import "./syntax.ts";\n', "syntax.ts:2:11: SyntaxError: Expression expected", "correct the code there"],
  waits: [
    "await new Promise(() => {});\nexport default 1;\n",
    "while it was loaded: the code awaits a promise that never settles",
    "await only promises that settle",
  ],
  permission: [
    define(`${OUT}, permissions: { native: ["./lib.so", "ok"], net: "a.example" }`),
    'permissions.net: got "a.example", wanted a list; ' +
    'permissions.native[0]: got "./lib.so", wanted the bare name of an npm package',
    "correct its definition",
  ],
  native: [
    define(`${OUT}, permissions: { native: ["notinlock"] }`),
    'permissions.native: "notinlock" is not a package with native code that the toolkit imports',
    "use one of: onnxruntime-node",
  ],
  port: [
    define('outputs: { "A B": { type: "files", description: "" }, ok: { type: "files", description: "", tpye: 1 } }'),
    'outputs.A B: got "A B", wanted a letter, then up to 63 letters, digits or _; ' +
    'outputs.ok: unknown key "tpye"',
    "correct its definition",
  ],
  path: [
    define(OUT, 'a: z.union([externalFile(z.string()), z.enum(["none"])])'),
    'param "a": a text there may be a path or something else: let only paths be texts there',
    "correct its params",
  ],
};

Deno.test("validate says where a stage's code or definition is wrong, what is wanted there and what to do", async () => {
  const names = Object.keys(BROKEN);
  await using project = new Project({
    files: {
      ...Object.fromEntries(names.map((name) => [`${name}.ts`, BROKEN[name]![0]])),
      "p.yaml": `name: demo\nstages:\n${names.map((name) => `  ${name}: { uses: ./${name}.ts }\n`).join("")}`,
    },
  });
  const { code, json } = await project.cli(["validate", "p.yaml", "--json"]);
  assertEquals(code, 2);
  const told = json.diagnostics.map(({ message, fix }: Record<string, string>) => [message, fix]);
  assertEquals(told, names.map((name) => [`cannot use ./${name}.ts: ${BROKEN[name]![1]}`, BROKEN[name]![2]]));
});
