import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "node:path";
import { type Code, digestCode } from "../../../../engine/process/code_digest.ts";
import type { Lock } from "../../../../engine/keys/stage.ts";
import { LOCKED } from "../../../support/locked.ts";
import { problemsOf } from "../support/load.ts";
import { makeTempFolder } from "../support/temp.ts";

// With a user's lock that contains the requested versions, Deno needs no network.
const OURS = JSON.parse(Deno.readTextFileSync(new URL("../../../../deno.lock", import.meta.url))) as Lock;
const ASKED = { "npm:ansi-regex@5": "5.0.1", "npm:ansi-regex@5.0.1": "5.0.1", "npm:ansi-regex@6.6.0": "6.6.0" };
const LOCK = JSON.stringify({
  ...OURS,
  specifiers: { ...ASKED, "npm:string-width@4.2.3": "4.2.3" },
  npm: { ...OURS.npm, ...LOCKED },
});

/** Returns the digest of an entry module, beside other files of its folder. */
async function digestOf(entry: string, files: Readonly<Record<string, string>> = {}): Promise<Code> {
  await using folder = await makeTempFolder();
  for (const [name, text] of Object.entries({ "stage.ts": entry, "deno.lock": LOCK, ...files })) {
    await Deno.writeTextFile(join(folder.path, name), text);
  }
  const code = await digestCode(join(folder.path, "stage.ts"));
  assert(!("error" in code), JSON.stringify(code));
  return code;
}

const IMPORTS_5 = 'import regex from "npm:ansi-regex@5.0.1";\nexport default regex;\n';
const HELPED = `import regex from "./helper.ts";\nexport default regex;\n`;

Deno.test("digestCode() tells versions of an npm package apart, also where a helper imports it", async () => {
  const [five, six] = await Promise.all([
    digestOf(HELPED, { "helper.ts": IMPORTS_5 }),
    digestOf(HELPED, { "helper.ts": IMPORTS_5.replace("5.0.1", "6.6.0") }),
  ]);
  // The digest includes these versions: here the helper's text names the version too, but a range would not.
  assertEquals([five.modules["npm:ansi-regex"], six.modules["npm:ansi-regex"]], ["5.0.1", "6.6.0"]);
  assertNotEquals(five.digest, six.digest);
});

Deno.test("digestCode() takes the version that a range comes to, not the range", async () => {
  const [range, exact] = await Promise.all([
    digestOf('import "npm:ansi-regex@^5.0.0";\n'),
    digestOf('import "npm:ansi-regex@5.0.1";\n'),
  ]);
  assertEquals(range.modules["npm:ansi-regex"], exact.modules["npm:ansi-regex"]);
});

Deno.test("digestCode() takes in what packages build on, and names of the toolkit as the toolkit", async () => {
  const { modules } = await digestOf('import "npm:string-width@4.2.3";\nimport { z } from "zod";\nexport default z;\n');
  assertMatch(modules["npm:zod"]!, /^4\./);
  assertEquals(Object.keys(modules).filter((name) => name.startsWith("npm:") && name !== "npm:zod"), [
    "npm:ansi-regex",
    "npm:emoji-regex",
    "npm:is-fullwidth-code-point",
    "npm:string-width",
    "npm:strip-ansi",
  ]);
  const { modules: own } = await digestOf('import { defineStage } from "noiseline";\nexport default defineStage;\n');
  assertEquals(Object.keys(own), ["noiseline", "stage.ts"]);
});

Deno.test("digestCode() tells files apart by the names that settings give them", async () => {
  const entry = 'import { a } from "x";\nimport { b } from "y";\nexport default [a, b];\n';
  const code = "export const a = 1, b = 2;\n";
  const digest = async (x: string, y: string) =>
    (await digestOf(entry, {
      "deno.json": JSON.stringify({ imports: { x, y } }),
      "one.ts": code,
      "two.ts": `${code}\n`,
    })).digest;
  assertNotEquals(await digest("./one.ts", "./two.ts"), await digest("./two.ts", "./one.ts"));
  assertEquals(await digest("./one.ts", "./two.ts"), await digest("./one.ts", "./two.ts"));
});

Deno.test("digestCode() is the same in every folder, and where only types change", async () => {
  const entry = 'import type { T } from "./types.ts";\nimport { one } from "./one.ts";\nexport default one as T;\n';
  const one = "export const one = 1;\n";
  const [here, there, edited] = await Promise.all([
    digestOf(entry, { "types.ts": "export type T = number;\n", "one.ts": one }),
    digestOf(entry, { "types.ts": "export type T = 1 | 2;\n", "one.ts": one }),
    digestOf(entry, { "types.ts": "export type T = number;\n", "one.ts": one.replace("= 1", "= 2") }),
  ]);
  assertEquals(here.digest, there.digest);
  assertNotEquals(here.digest, edited.digest);
});

for (const address of ["https://code.invalid/lib.js", "http://127.0.0.1:1/lib.js"]) {
  Deno.test(`a stage that imports ${address} is refused by the name of the address`, async () => {
    await using folder = await makeTempFolder();
    const file = join(folder.path, "stage.ts");
    await Deno.writeTextFile(file, `import one from "${address}";\nexport default one;\n`);
    const [problem] = await problemsOf(`name: p\nstages:\n  a: { uses: ${file} }\n`);
    assertEquals(problem?.message, `cannot use ${file}: the stage may not import ${address}`);
    assertEquals(problem?.fix, "import npm packages or files of your own, with literal names");
  });
}

Deno.test("digestCode() takes modules that may be read as data by their bytes", async () => {
  const entries = {
    text: 'import text from "./data.ts" with { type: "text" };\nexport default text;\n',
    both: 'import { a } from "./data.ts";\nimport b from "./data.ts" with { type: "text" };\nexport default [a, b];\n',
    hidden: 'const as = { with: { type: "text" } };\nexport default await import("./data.ts", as);\n',
  };
  for (const [what, entry] of Object.entries(entries)) {
    const [plain, noted] = await Promise.all(
      ["", " // A note."].map((more) => digestOf(entry, { "data.ts": `export const a = 1;${more}` })),
    );
    assertNotEquals(plain!.digest, noted!.digest, what);
  }
});

Deno.test("code of one's own imports the doors of the toolkit alone, and files of this machine", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "stage.ts");
  const within = import.meta.resolve("../../../../engine/keys/keys.ts");
  for (
    const [name, wanted] of [
      [
        within,
        /^\S+engine\/keys\/keys\.ts is within the toolkit, of which your code may import only the public modules$/,
      ],
      ["file://host/a.ts", /./],
      ["file:///a%2Fb.ts", /./],
    ] as const
  ) {
    await Deno.writeTextFile(file, `import * as a from "${name}";\nexport default a;\n`);
    const code = await digestCode(file);
    assertMatch("error" in code ? code.error : "none", wanted);
  }
  await Deno.writeTextFile(
    file,
    `import { mix } from "${import.meta.resolve("../../../../mod.ts")}";\nexport default mix;\n`,
  );
  assert("digest" in await digestCode(file));
});
