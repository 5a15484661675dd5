import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { definitionOf } from "../engine/support/own_kinds.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { COMMANDS } from "../../../cli/command.ts";
import manifest from "../../../deno.json" with { type: "json" };
import { runCli } from "./capture.ts";
import { snapshotsOf } from "../../support/snapshots.ts";

/** Help texts are part of what users see; look at the difference, then accept it with `deno task golden`. */
Deno.test("help of the program reads as before", async (t) => {
  const { code, out } = await runCli("--help");
  assertEquals(code, 0);
  await t.assertSnapshot(out, snapshotsOf(import.meta.url));
});

for (const name of Object.keys(COMMANDS)) {
  Deno.test(`help of ${name} reads as before`, async (t) => {
    const { code, out, error } = await runCli(name, "--help");
    assertEquals([code, error], [0, ""]);
    assertEquals(out.includes("default: []"), false);
    await t.assertSnapshot(out, snapshotsOf(import.meta.url));
  });
}

Deno.test("stages lists the params of a definition in a file", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "net.ts");
  await Deno.writeTextFile(file, definitionOf("network", 'depth: z.int().default(6).describe("How deep")'));
  const { code, out } = await runCli("stages", file);
  assertEquals([code, out], [0, `${file}: definition of sort network\n\nparams\n  depth  integer  = 6  How deep\n`]);
  const { sort, params } = JSON.parse((await runCli("stages", file, "--json")).out);
  assertEquals([sort, params[0].name], ["network", "depth"]);
});

Deno.test("stages shows a nested param with its defaults, and suggests a name for a wrong one", async () => {
  const { code, out } = await runCli("stages", "train.model");
  assertEquals(code, 0);
  assertMatch(out, /model\.channels +integer += 128 +Width of the first level/);
  assertMatch(out, /model\.multipliers +integer\[\] += \[1,2,2,2\]/);
  const json = JSON.parse((await runCli("stages", "train.model", "--json")).out) as { name: string }[];
  assertEquals(json.map(({ name }) => name), [
    "model",
    ..."channels multipliers blocks attention groups normEpsilon headWidth frequencyShift cosinesFirst downsamplePadding"
      .split(" ").map((one) => `model.${one}`),
  ]);
  const wrong = await runCli("stages", "train.modle");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.error, 'unknown param of train "modle"\n  fix:    did you mean "model"?');
});

Deno.test("every command has a module and a task, and every task a description of its own", () => {
  const modules = [...Deno.readDirSync(new URL("../../../cli/commands", import.meta.url))];
  assertEquals(Object.keys(COMMANDS).sort(), modules.map(({ name }) => name.replace(".ts", "")).sort());
  const tasks = manifest.tasks as Readonly<Record<string, { readonly description?: string }>>;
  const descriptions = Object.entries(tasks).map(([name, { description }]) => {
    assertMatch(`${description}`, /^[A-Z].*[^.]$/, name);
    return description;
  });
  assertEquals(new Set(descriptions).size, descriptions.length);
});

Deno.test("main() refuses unknown commands and options with exit code 2 and a suggestion", async () => {
  const command = await runCli("pln", "x.yaml");
  assertEquals(command.code, 2);
  assertStringIncludes(command.error, 'did you mean "plan"?');
  const option = await runCli("plan", "x.yaml", "--jsn");
  assertEquals(option.code, 2);
  assertStringIncludes(option.error, "--json");
  assertEquals((await runCli("plan")).code, 2);
});

Deno.test("what is about jobs of a cluster wants --on", async () => {
  for (const args of [["run", "x.yaml", "--detach"], ["run", "x.yaml", "--replace-queued"], ["cancel", "x.yaml"]]) {
    const { code, error } = await runCli(...args);
    assertEquals(code, 2);
    assertMatch(error, /name (it|the cluster) with --on/);
  }
});

Deno.test("main() prints its version", async () => {
  const { code, out } = await runCli("--version");
  assertEquals([code, out.trim()], [0, manifest.version]);
});
