import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { formatDiagnostic, loadPipeline } from "noiseline/engine";
import { listFiles } from "../../engine/store/folders.ts";
import { BUILTIN_KINDS } from "../../stages/mod.ts";
import { runCli } from "../unit/cli/capture.ts";
import { allBlocks, type Block, findBlocks, ROOT, splitShell } from "./blocks.ts";
import { readCommand } from "./commands.ts";

/** Languages of blocks that are not tried, each with the reason. */
const NOT_TRIED: Readonly<Record<string, string>> = {
  text: "folders, output and fragments, which only people read",
  mermaid: "drawn by the viewer",
  json: "output of commands",
};

const TRIED = new Set(["ts", "yaml", "sh"]);
const blocks = allBlocks();
const of = (language: string) => blocks.filter((block) => block.language === language);

/** A folder of the documents' own, without a deno.json above it, so that nothing lands in this clone. */
async function makePlace() {
  const path = await Deno.makeTempDir({ prefix: "noiseline-docs-" });
  const pipelines = join(ROOT, "pipelines");
  const { files } = listFiles(pipelines);
  for (const file of files.filter((name) => /\.(yaml|ts)$/.test(name) && !/outputs|\.noiseline/.test(name))) {
    await Deno.mkdir(dirname(join(path, "pipelines", file)), { recursive: true });
    await Deno.copyFile(join(pipelines, file), join(path, "pipelines", file));
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** A block whose first line is `// name.ts` is a file that pipelines of the documents may use by that name. */
function nameOf({ text }: Block, index: number): string {
  return /^\/\/ ([\w-]+\.ts)\n/.exec(text)?.[1] ?? `block_${index}.ts`;
}

async function deno(cwd: string, ...args: string[]): Promise<string | undefined> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, env: { NO_COLOR: "1" } }).output();
  return success ? undefined : new TextDecoder().decode(stderr);
}

Deno.test("every block of the documents is in a language that is tried, or is excused with a reason", () => {
  const strange = blocks.filter(({ language }) => !TRIED.has(language) && !Object.hasOwn(NOT_TRIED, language));
  assertEquals(strange.map(({ place, language }) => `${place} ${language || "no language"}`), []);
});

Deno.test("every ts block of the documents type-checks and runs as a module of its own", async () => {
  await using place = await makePlace();
  const names = of("ts").map((block, index) => {
    Deno.writeTextFileSync(join(place.path, nameOf(block, index)), block.text);
    return nameOf(block, index);
  });
  if (names.length === 0) return;
  const where = of("ts").map((block, index) => `${nameOf(block, index)} is ${block.place}`).join("\n");
  const config = `--config=${join(ROOT, "deno.json")}`;
  const wrong = await deno(place.path, "check", "--quiet", config, ...names);
  assertEquals(wrong, undefined, `${wrong}\n${where}`);
  await Promise.all(names.map(async (name) => {
    const failed = await deno(place.path, "run", "-A", "--no-check", "--quiet", config, name);
    assertEquals(failed, undefined, `${failed}\n${where}`);
  }));
});

Deno.test("every pipeline of the documents is valid", async () => {
  await using place = await makePlace();
  of("ts").forEach((block, index) => Deno.writeTextFileSync(join(place.path, nameOf(block, index)), block.text));
  const problems = await Promise.all(
    of("yaml").filter(({ text }) => /^stages:/m.test(text)).map(async ({ text, place: at }, index) => {
      const file = join(place.path, `pipeline_${index}.yaml`);
      await Deno.writeTextFile(file, text);
      const loaded = await loadPipeline(file, { kinds: BUILTIN_KINDS });
      return loaded.ok ? [] : loaded.diagnostics.map((one) => `${at}: ${formatDiagnostic(one)}`);
    }),
  );
  assertEquals(problems.flat(), []);
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
