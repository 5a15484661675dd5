import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { formatDiagnostic, loadPipeline } from "noiseline/engine";
import { BUILTIN_KINDS } from "../../stages/mod.ts";
import { NO_PYTHON } from "../support/commands.ts";
import { Project } from "../support/project.ts";
import { runCli } from "../unit/cli/capture.ts";
import { allBlocks, findBlocks, ROOT, splitShell } from "./blocks.ts";
import { readCommand } from "./commands.ts";
import { deno, makePlace, writeModules } from "./place.ts";

/** Languages of blocks that are not tried, each with the reason. */
const NOT_TRIED: Readonly<Record<string, string>> = {
  text: "folders, output and fragments, which only people read",
  mermaid: "drawn by the viewer",
  json: "output of commands",
};

const TRIED = new Set(["ts", "yaml", "sh", "python"]);
const blocks = allBlocks();
const of = (language: string) => blocks.filter((block) => block.language === language);

Deno.test("every block of the documents is in a language that is tried, or is excused with a reason", () => {
  const strange = blocks.filter(({ language }) => !TRIED.has(language) && !Object.hasOwn(NOT_TRIED, language));
  assertEquals(strange.map(({ place, language }) => `${place} ${language || "no language"}`), []);
});

// The types of these modules are checked by a long test.
Deno.test("every ts block of the documents runs as a module of its own", async () => {
  await using place = await makePlace();
  const { names, where } = writeModules(place.path);
  // One process runs them all: the modules that they import are loaded once.
  const all = names.map((name) => `await import("./${name}").catch((error) => wrong.push("${name}: " + error.stack));`);
  const lines = ["const wrong = [];", ...all, `if (wrong.length > 0) throw wrong.join("\\n");`];
  await Deno.writeTextFile(join(place.path, "all_blocks.js"), lines.join("\n"));
  const failed = await deno(place.path, "run", "-A", "--no-check", "all_blocks.js");
  assertEquals(failed, undefined, `${failed}\n${where}`);
});

Deno.test("every pipeline of the documents is valid", async () => {
  await using place = await makePlace();
  writeModules(place.path);
  const problems = await Promise.all(
    of("yaml").filter(({ text }) => /^stages:/m.test(text)).map(async ({ text, place: at }, index) => {
      const file = join(place.path, `pipeline_${index}.yaml`);
      await Deno.writeTextFile(file, text);
      // Without a Python here, a stage that runs one is refused.
      if (NO_PYTHON !== undefined && text.includes("python3")) return [];
      const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
      return loaded.ok ? [] : loaded.diagnostics.map((one) => `${at}: ${formatDiagnostic(one)}`);
    }),
  );
  assertEquals(problems.flat(), []);
});

// The program with a pipeline is run by a long test.
Deno.test({
  name: `every python block of the documents compiles${NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`}`,
  ignore: NO_PYTHON !== undefined,
  fn: () => {
    const code = "import json, sys\nfor place, text in json.load(sys.stdin): compile(text, place, 'exec')";
    const { status, stderr } = spawnSync("python3", ["-c", code], {
      input: JSON.stringify(of("python").map(({ place, text }) => [place, text])),
    });
    assertEquals(status, 0, String(stderr));
    assert(of("python").length > 0);
  },
});

Deno.test("every command line of the documents works; run lines are planned, and nothing is written", async () => {
  await using place = await makePlace();
  const store = join(place.path, ".noiseline");
  const problems: string[] = [];
  for (const { text, place: at } of of("sh")) {
    for (const line of text.replaceAll(/\\\n\s*/g, "").split("\n").map((one) => one.trim())) {
      const tried = readCommand(line, store);
      if ("problem" in tried) problems.push(`${at}: ${line}\n  ${tried.problem}`);
      if (!("args" in tried)) continue;
      const { code, error } = await runCli(...tried.args);
      const wanted = tried.needsResults === true ? 1 : 0;
      if (code !== wanted) problems.push(`${at}: ${line}\n  exit code ${code}\n${error}`);
    }
  }
  assertEquals(problems, [], problems.join("\n"));
  const written = [...Deno.readDirSync(place.path)].map(({ name }) => name).filter((name) => name !== ".noiseline-new");
  assertEquals(written, ["pipelines"]);
});

Deno.test("a document that says how to run a pipeline that ships names no grants, since it asks for none", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs/data.md"));
  // A copy, so that what a user of this clone has granted does not count.
  await using project = new Project();
  for (const name of ["points.yaml", "points_mlp.ts", "stages/make_moons.ts"]) {
    project.copy(`pipelines/${name}`, `pipelines/${name}`);
  }
  const { out } = await runCli("validate", project.path("pipelines/points.yaml"));
  assertEquals(out, `${project.path("pipelines/points.yaml")}: valid (6 stages)\n`);
  assertEquals(text.includes("--grant"), false);
});

Deno.test("findBlocks() finds blocks, their languages and places", () => {
  const text = "a\n```sh\nx\n```\n- b\n  ```ts\n  y;\n    z;\n  ```\n````text\n```\n````\n";
  assertEquals(findBlocks(text, "a.md"), [
    { place: "a.md:2", language: "sh", text: "x\n" },
    { place: "a.md:6", language: "ts", text: "y;\n  z;\n" },
    { place: "a.md:10", language: "text", text: "```\n" },
  ]);
});

Deno.test("readCommand() plans what a document runs, and refuses what it does not know", () => {
  const words = (line: string) => {
    const tried = readCommand(line, "/s");
    return "args" in tried ? tried.args.join(" ").replaceAll(ROOT, "") : tried;
  };
  assertEquals(words("deno task run a.yaml -j 2 --force-all  # all"), "plan a.yaml --store /s");
  assertEquals(words("npx --yes deno@2.9.6 task run a.yaml b --set x.y=1"), "plan a.yaml b --set x.y=1 --store /s");
  assertEquals(words("deno task schema > a.json"), "schema");
  assertEquals(words("deno task nothing"), { problem: 'deno.json has no task "nothing"' });
  assert("problem" in readCommand("rm -rf x", "/s") && "problem" in readCommand("npx deno task run a.yaml", "/s"));
  assert("skip" in readCommand("# only said", "/s") && "skip" in readCommand("deno task test", "/s"));
  assert("skip" in readCommand("NAME=value deno task test", "/s"));
  assertEquals(splitShell(`a "b c" --x='d e' f#g # h`), ["a", "b c", "--x=d e", "f#g"]);
});
