import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { NO_PYTHON } from "../../support/commands.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCli } from "./capture.ts";

const names = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

Deno.test("new stage writes a stage, its test and a pipeline, and says what to type next", async () => {
  await using folder = await makeTempFolder();
  const { code, out } = await runCli("new", "stage", "bright-ness", "--folder", join(folder.path, "a/b"));
  assertEquals(code, 0);
  const written = ["bright-ness.ts", "bright-ness.yaml", "bright-ness_test.ts", "deno.json"];
  assertEquals(names(join(folder.path, "a/b")), written);
  for (const name of written) assertMatch(out, new RegExp(`^wrote .*${name.replace(".", "\\.")}$`, "m"));
  assertMatch(out, /\nnext:\n {2}cd .*\n {2}deno test -A bright-ness_test\.ts\n {2}deno task noiseline plan /);
  for (const name of written) {
    assertEquals(Deno.readTextFileSync(join(folder.path, "a/b", name)).includes("new_stage"), false, name);
  }
});

Deno.test("new writes nothing over, and nothing at all if one of its files is there", async () => {
  await using folder = await makeTempFolder();
  Deno.writeTextFileSync(join(folder.path, "mine_test.ts"), "// mine\n");
  const { code, error } = await runCli("new", "stage", "mine", "--folder", folder.path);
  assertEquals(code, 2);
  assertMatch(error, /mine_test\.ts exists already in .*\n {2}fix: /);
  assertEquals(names(folder.path), ["mine_test.ts"]);
  assertEquals(Deno.readTextFileSync(join(folder.path, "mine_test.ts")), "// mine\n");
});

Deno.test("new leaves settings alone that are there, and names the toolkit's in what to type next", async () => {
  await using folder = await makeTempFolder();
  Deno.writeTextFileSync(join(folder.path, "deno.json"), "{}\n");
  const { out } = await runCli("new", "stage", "mine", "--folder", join(folder.path, "sub"), "--json");
  const { ok, files, next } = JSON.parse(out);
  assertEquals([ok, files.length, names(join(folder.path, "sub")).length], [true, 3, 3]);
  assertMatch(next[0], /^deno test -A --config=\S+deno\.json /);
  assertEquals(Deno.readTextFileSync(join(folder.path, "deno.json")), "{}\n");
});

Deno.test("new refuses names that cannot stand in files and references, and suggests others", async () => {
  await using folder = await makeTempFolder();
  for (
    const [name, fix] of [
      ["MyStage.ts", 'did you mean "my_stage"'],
      ["../up", 'did you mean "up"'],
      ["a b", 'did you mean "a_b"'],
      ["x".repeat(61), "did you mean"],
      ["9", "choose another"],
      ["", "choose another"],
    ] as const
  ) {
    const { code, error } = await runCli("new", "pipeline", name, "--folder", folder.path);
    assertEquals(code, 2, name);
    assertStringIncludes(error, fix);
  }
  const template = await runCli("new", "pipeline", "a", "--template", "dgits", "--folder", folder.path);
  assertEquals(template.code, 2);
  assertStringIncludes(template.error, "Allowed choices are smoke, digits, own-images");
  const what = await runCli("new", "stag", "a");
  assertEquals(what.code, 2);
  assertStringIncludes(what.error, "stage");
  assertEquals(names(folder.path), []);
});

Deno.test("new says so when it cannot write", async () => {
  await using folder = await makeTempFolder();
  Deno.writeTextFileSync(join(folder.path, "file"), "");
  const { code, error } = await runCli("new", "stage", "a", "--folder", join(folder.path, "file"));
  assertEquals(code, 2);
  assertMatch(error, /cannot write to .*\n {2}fix: /);
});

Deno.test("new writes each sort of definition with its test, and says where a pipeline names it", async () => {
  await using folder = await makeTempFolder();
  const uses = {
    network: "model: { uses: ./my_network.ts } in the params of a train stage",
    objective: "objective: { uses: ./my_objective.ts } in the params of a train stage",
    path: "with: { uses: ./my_path.ts } in a schedule stage",
    sampler: "sampler: { uses: ./my_sampler.ts } in the params of a sample stage",
  };
  for (const [sort, use] of Object.entries(uses)) {
    const { code, out } = await runCli("new", sort, `my_${sort}`, "--folder", folder.path, "--json");
    assertEquals(code, 0);
    const answer = JSON.parse(out);
    // The settings that the first wrote serve the others too.
    assertEquals([answer.use, answer.next.at(-1)], [use, `deno test -A my_${sort}_test.ts`]);
    const text = Deno.readTextFileSync(join(folder.path, `my_${sort}.ts`));
    assertStringIncludes(text, `./my_${sort}.ts`);
    assertEquals([text.includes("new_"), text.length > 500], [false, true]);
  }
  const said = await runCli("new", "sampler", "again", "--folder", folder.path);
  assertStringIncludes(said.out, "without a terminal, add --grant sample:native\n");
  const again = await runCli("new", "path", "my_path", "--folder", folder.path);
  assertMatch(again.error, /my_path\.ts, my_path_test\.ts exist already in /);
});

for (const template of ["pytorch", "sweep", "search", "latent", "fine-tune"]) {
  const lacks = template === "pytorch" ? NO_PYTHON : undefined;
  Deno.test({
    name:
      `new pipeline --template ${template} writes a valid pipeline that says its question, needs, cost and what next${
        lacks === undefined ? "" : ` (skipped: ${lacks})`
      }`,
    ignore: lacks !== undefined,
    fn: async () => {
      await using folder = await makeTempFolder();
      const made = await runCli("new", "pipeline", "mine", "--template", template, "--folder", folder.path);
      assertEquals(made.code, 0, made.error);
      assertEquals(made.out.includes("--grant train:run=python3"), template === "pytorch");
      const beside = template === "pytorch" ? ["train.py"] : [];
      assertEquals(names(folder.path), ["deno.json", "mine.yaml", ...beside]);
      const text = Deno.readTextFileSync(join(folder.path, "mine.yaml"));
      for (const word of ["Question", "Needs", "Cost", "Expected", "Next"]) assertStringIncludes(text, `\n# ${word}: `);
      assertMatch(text, /^name: mine$/m);
      assertEquals(text.includes(`outputs/${template}/`), false);
      const valid = await runCli("validate", join(folder.path, "mine.yaml"));
      assertEquals([valid.code, valid.error], [0, ""]);
    },
  });
}
