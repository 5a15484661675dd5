import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { COMMANDS } from "../../../cli/command.ts";
import { slipsOf } from "../../support/slips.ts";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCli } from "./capture.ts";

/** Returns the suggestion below an error; undefined if there is none. */
function suggested(error: string): string | undefined {
  return /\n {2}fix: {4}did you mean "?([^"?]*)"?\?\n/.exec(error)?.[1];
}

Deno.test("a command that is typed wrong is suggested, or none is", async () => {
  let [slips, found] = [0, 0];
  for (const name of Object.keys(COMMANDS)) {
    for (const slip of slipsOf(name)) {
      if (Object.hasOwn(COMMANDS, slip)) continue;
      const { code, error } = await runCli(slip);
      assertEquals(code, 2);
      const said = suggested(error);
      assert(said === undefined || said === name, `${slip}: ${error}`);
      slips++;
      found += Number(said === name);
    }
  }
  assert(found > 0.95 * slips, `${found} of ${slips}`);
  assertEquals(suggested((await runCli("rnu")).error), "run");
});

Deno.test("an option or a part of a command that is typed wrong is suggested, or none is", async () => {
  const misses: string[] = [];
  let [slips, found, turn] = [0, 0, 0];
  for (const name of Object.keys(COMMANDS)) {
    const { out } = await runCli(name, "--help");
    const options = [...out.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option!);
    const parts = [.../\nCommands:\n((?: .*\n)*)/.exec(out)?.[1]?.matchAll(/^ {2}([a-z]+)/gm) ?? []].map(([, part]) =>
      part!
    )
      .filter((part) => part !== "help");
    for (const word of [...options, ...parts]) {
      const all = slipsOf(word);
      const slip = all[turn++ % all.length]!;
      if ([...options, ...parts].includes(slip)) continue;
      const { code, error } = await runCli(name, slip);
      assertEquals(code, 2, error);
      // A command that lacks a required option reports that first.
      if (!error.includes("unknown")) continue;
      const said = suggested(error);
      assert(said === undefined || said === word, `${name} ${slip}: ${error}`);
      slips++;
      found += Number(said === word);
      if (said === undefined) misses.push(`${name} ${slip}`);
    }
  }
  assert(slips > 100 && found > 0.95 * slips, `${found} of ${slips}, not ${misses}`);
});

Deno.test("a param that is typed as an option is said to be one, and nothing far from it is suggested", async () => {
  const { code, error } = await runCli("run", "x.yaml", "--device", "cuda");
  assertEquals([code, error], [
    2,
    "error: unknown option '--device'\n" +
    "  fix:    see `run --help`; a param of a stage is set by --set <stage>.device=<value>\n",
  ]);
  assertStringIncludes((await runCli("plan", "x.yaml", "--steps=3")).error, "--set <stage>.steps=<value>");
  assertEquals((await runCli("gc", "--older", "3")).error.split("\n")[1], "  fix:    see `gc --help`");
  assertEquals((await runCli("new", "stage")).error.split("\n")[1], "  fix:    see `new stage --help`");
});

Deno.test("a path that is typed wrong is suggested wherever one is named", async () => {
  await using folder = await makeTempFolder();
  const at = (path: string) => join(folder.path, path);
  await Deno.mkdir(at("pipelines"));
  await Deno.writeTextFile(at("pipelines/shapes.yaml"), "name: shapes\nstages: { a: { uses: ./cook.ts } }\n");
  await Deno.writeTextFile(at("pipelines/code.ts"), "export default 1;\n");
  for (const slip of ["shapes.yml", ...slipsOf("shapes.yaml")]) {
    const { code, error } = await runCli("validate", at(`pipelines/${slip}`));
    assertEquals([code, suggested(error)], [2, at("pipelines/shapes.yaml")], error);
  }
  for (const slip of slipsOf("pipelines")) {
    const { error } = await runCli("validate", at(`${slip}/shapes.yaml`));
    assertEquals(suggested(error), at("pipelines/shapes.yaml"), error);
  }
  const far = await runCli("validate", at("pipelines/other.yaml"));
  assertStringIncludes(far.error, `fix:    check the path: there is no other.yaml in ${at("pipelines")}\n`);
  const files: [text: string, written: string][] = [
    ["name: p\nstages: { a: { uses: ./cod.ts } }\n", "./code.ts"],
    ["name: p\nextends: ./shaeps.yaml\nstages: {}\n", "shapes.yaml"],
    ["name: p\nstages: { a: { uses: ../pipelnes/shapes.yaml } }\n", "/pipelines/shapes.yaml"],
    [
      "name: p\nstages: { a: { uses: schedule, with: { betas: { path: code.tss }, timesteps: 1250 } } }\n",
      "code.ts",
    ],
  ];
  for (const [text, written] of files) {
    await Deno.writeTextFile(at("pipelines/p.yaml"), text);
    const { error } = await runCli("validate", at("pipelines/p.yaml"));
    assert(suggested(error)?.endsWith(written), error);
  }
});
