import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { CLONE } from "../../../../support/cli_process.ts";
import { checkSigns, checkSlips } from "../../../../support/slips.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { problemsOf } from "../../support/load.ts";

/** Copies a pipeline file, because mutants are written beside it. */
async function copyOf(name: string, folder: string): Promise<string> {
  const file = join(folder, name);
  await Deno.copyFile(join(CLONE, "pipelines", name), file);
  return file;
}

Deno.test("a word of a pipeline that is typed wrong is one error, which suggests the word or nothing", async () => {
  await using folder = await makeTempFolder();
  const free = new Set(["smoke", "evaluate", "score"]);
  const { refused, suggested } = await checkSlips(await copyOf("smoke.yaml", folder.path), { free, most: 1 });
  assert(refused >= 60 && suggested === refused, `${suggested} of ${refused}`);
});

Deno.test("a sign of YAML that is left out is mostly named", async () => {
  await using folder = await makeTempFolder();
  const { refused, named } = checkSigns(await copyOf("smoke.yaml", folder.path));
  assert(refused > 60 && named > 0.9 * refused, `${named} of ${refused}`);
});

Deno.test("a stage that others read by another name is the one to rename, unless another reads it", async () => {
  const file = (id: string, more: string) =>
    `name: p\nstages:\n  ${id}: { uses: source }\n  a: { uses: mix, inputs: { one: first } }\n` +
    `  b: { uses: mix, inputs: { one: first } }\n${more}`;
  const fixes = async (more: string) => (await problemsOf(file("frist", more))).map(({ fix }) => fix);
  assertEquals(await fixes(""), ['rename "frist" to "first"']);
  const near = 'did you mean "frist"?';
  assertEquals(await fixes("  c: { uses: mix, inputs: { one: frist } }\n"), [near, near]);
});

Deno.test("children of a matrix are suggested by the name that the file has", async () => {
  const found = await problemsOf(`name: p
stages:
  walk: { uses: walk, matrix: { n: [1, 2] }, with: { steps: "\${matrix.n}" } }
  read: { uses: mix, inputs: { one: wlak } }
`);
  assertEquals(found.map(({ message, fix }) => [message, fix]), [
    ['there is no stage "wlak"', 'did you mean "walk"?'],
  ]);
});

Deno.test("what follows from an error is not said beside it, and what does not follow is", async () => {
  const found = await problemsOf(
    "name: p\nstages:\n  one: { uses: source, with: { txet: b } }\n  two: { uses: walk, wth: { steps: 3 }, inputs: { fron: one } }\n",
  );
  assertEquals(found.map(({ fix }) => fix), ["text", "with", "from"].map((name) => `did you mean "${name}"?`));
});
