import { assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { identityKeyOf, recipeKeyOf, resolvedKeyOf } from "../../../engine/keys/keys.ts";
import { hashFile } from "../../../engine/store/reading.ts";
import { askedGrants, NO_PYTHON } from "../../support/commands.ts";
import type { Json } from "../../support/cli_process.ts";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const FILE = `name: demo
stages:
  a:
    uses: command
    with: { run: [python3, a.py], sources: ["*.py", "*.txt"], steps: 10, outputs: { out: files } }
  b:
    uses: command
    inputs: { from: a }
    with: { run: [sh, -c, 'cat "$0"/a.txt "$0"/a.txt > "$1/b.txt"', "\${inputs.from}", "\${outputs.out}"], outputs: { out: files } }
`;
const MAIN = 'import noiseline\nfrom other import text\n\n(noiseline.outputs["out"] / "a.txt").write_text(text)\n';

const made = () =>
  new Project({ files: { "p.yaml": FILE, "a.py": MAIN, "other.py": 'text = "a"\n', "c.txt": "# c\n" } });

const test = (name: string, fn: (project: Project) => Promise<void>) =>
  Deno.test({
    name: `${name}${NO_PYTHON === undefined ? "" : ` (skipped: ${NO_PYTHON})`}`,
    ignore: NO_PYTHON !== undefined,
    fn: async () => {
      await using project = made();
      await fn(project);
    },
  });

const run = async (project: Project) =>
  await runAndCheckPlan(project, ["p.yaml"], { runOnly: await askedGrants(project, "p.yaml") });

/** Returns the planned state of the first stage and the reasons for it. */
async function stateOf(project: Project): Promise<string> {
  const [{ state, reasons }] = (await project.cli(["plan", "p.yaml", "--json"])).json.stages as Json[];
  return [state, ...reasons.map(({ code, name }: Json) => `${code} ${name}`)].join(", ");
}

test("an edit of comments or layout runs nothing, and an edit of the program does", async (project) => {
  await run(project);
  const edited = async (name: string, text: string) => {
    const before = project.read(name);
    project.write(name, text);
    const found = await stateOf(project);
    project.write(name, before);
    return found;
  };
  const other = project.read("other.py");
  assertEquals(await edited("other.py", `# why\n\ntext   =  (  # here\n"a")\n`), 'run, external sources["other.py"]');
  assertEquals(await edited("other.py", `# why\n\ntext   =  "a"  # here\n`), "cached");
  assertEquals(await edited("other.py", `"""why"""\n${other}`), 'run, external sources["other.py"]');
  // Not a program, whatever it looks like.
  assertEquals(await edited("c.txt", "# d\n"), 'run, external sources["c.txt"]');
});

test("the result of a program is kept for an edit of its sources, and for nothing else", async (project) => {
  await run(project);
  project.write("other.py", 'text = "b"\n');
  project.write("more.py", "");
  assertEquals((await project.cli(["keep", "p.yaml", "a", "--set", "a.steps=20"])).code, 1);
  const { code, json, stderr } = await project.cli(["keep", "p.yaml", "a", "--json"]);
  assertEquals(code, 0, stderr);
  assertEquals(Object.keys(json.kept[0].keep.edits).sort(), ['sources["more.py"]', 'sources["other.py"]']);
  assertEquals((await run(project)).ran, []);
  project.write("more.py", "text = 1\n");
  assertEquals((await stateOf(project)).split(",")[0], "run");
});

test("the one result that fits is kept, though the stage has shown another since", async (project) => {
  await run(project);
  const set = ["--set", "a.steps=20"];
  const grants = await askedGrants(project, "p.yaml");
  assertEquals((await project.cli(["run", "p.yaml", ...set, ...grants])).code, 0);
  project.write("other.py", 'text = "b"\n');
  const { code, json, stderr } = await project.cli(["keep", "p.yaml", "a", "--json"]);
  assertEquals(code, 0, stderr);
  assertEquals(json.kept.map(({ others }: Json) => others), [[]]);
  assertEquals((await run(project)).ran, []);
});

/** Gives the result of a stage the keys from when all sources counted by their bytes, and forgets all else about it. */
function makeFormer(project: Project): string {
  const store = project.path(".noiseline");
  const paths = project.files(".noiseline/results").map((name) => join(store, "results", name));
  const path = paths.find((one) => Deno.readTextFileSync(one).includes("sources["))!;
  const manifest = JSON.parse(Deno.readTextFileSync(path));
  const { inputs, ...local } = manifest.ingredients;
  for (const name of ["a.py", "other.py"]) local.externals[`sources["${name}"]`] = hashFile(project.path(name));
  const { localKey } = recipeKeyOf(local, {});
  const resolvedKey = resolvedKeyOf(localKey, inputs);
  const ingredients = { ...local, inputs };
  const identityKey = identityKeyOf(ingredients, "steps");
  const former = {
    ...manifest,
    ingredients,
    localKey,
    resolvedKey,
    identityKey,
    recipeKey: recipeKeyOf(local, {}).recipeKey,
  };
  Deno.mkdirSync(join(store, "results", resolvedKey.slice(0, 2)), { recursive: true });
  Deno.writeTextFileSync(
    join(store, "results", resolvedKey.slice(0, 2), `${resolvedKey}.json`),
    JSON.stringify(former),
  );
  Deno.removeSync(path);
  for (const name of ["index.jsonl", "views"]) project.remove(`.noiseline/${name}`);
  project.remove("outputs");
  return resolvedKey;
}

test("a result from when all sources counted by their bytes is found, and what reads it stays", async (project) => {
  await run(project);
  const former = makeFormer(project);
  // Once it is on record that the result serves the stage, and before.
  for (const states of [["restore", "restore"], ["cached", "cached"]]) {
    const { plan, ran } = await run(project);
    assertEquals(plan.stages.map(({ state }: Json) => state), states);
    assertEquals([plan.stages[0].resolvedKey, ran], [former, []]);
  }
  assertEquals((await project.cli(["plan", "p.yaml", "b", "--json"])).json.stages.map(({ state }: Json) => state), [
    "cached",
  ]);
  // Its file looks as if it had changed, and has not.
  const { json } = await project.cli(["plan", "p.yaml", "--set", "a.steps=20", "--json"]);
  assertEquals(json.stages[0].reasons.map(({ code, name }: Json) => `${code} ${name}`), ["param steps"]);
  project.write("other.py", 'text = "b"\n');
  assertEquals(await stateOf(project), 'run, external sources["other.py"]');
});

test("a result from when all sources counted by their bytes is found in a shared cache", async (project) => {
  await run(project);
  const former = makeFormer(project);
  const cache = project.path("cache");
  assertEquals((await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml")])).code, 0);
  assertEquals((await project.cli(["export", "p.yaml", "--output", cache])).code, 0);
  for (const name of [".noiseline", "outputs"]) project.remove(name);
  const { code, stdout, json } = await project.cli(["plan", "p.yaml", "--cache", cache, "--json"]);
  assertEquals(code, 0, stdout);
  assertEquals(json.stages.map(({ state }: Json) => state), ["restore", "restore"]);
  assertEquals(json.stages[0].resolvedKey, former);
  const ran = await project.cli(["run", "p.yaml", "--cache", cache, ...await askedGrants(project, "p.yaml")]);
  assertMatch(ran.stdout, /from the shared cache/);
  assertEquals(ran.code, 0);
});
