import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import type { Json } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

const FILE = `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 8 } }
  twice: { uses: ./twice.ts, inputs: { from: walk } }
`;
const TWICE = `import { defineStage } from "noiseline";
import { z } from "zod";
export default defineStage({
  summary: "Writes a text twice",
  params: z.strictObject({}),
  inputs: { from: { type: "files", description: "Any" } },
  outputs: { out: { type: "files", description: "Twice as much" } },
  async run({ inputs, outputs }) {
    const [text] = [new TextDecoder().decode(await inputs.from.read("last.txt"))];
    await outputs.out.write("last.txt", text + text);
    return undefined;
  },
});
`;

const made = () => new Project({ stages: ["walk"], files: { "p.yaml": FILE, "twice.ts": TWICE } });

/** Edits the code of a stage so that it makes other bytes. */
const edit = (project: Project, more: string) =>
  project.write("walk.ts", project.read("walk.ts").replace(/`\$\{state\} .*?`/, `\`\${state} ${more} \${text}\``));

/** Returns the planned states of both stages, or of those that are asked for. */
const states = async (project: Project, ...args: string[]): Promise<string> => {
  const { json, stdout, stderr } = await project.cli(["plan", "p.yaml", ...args, "--json"]);
  assert(Array.isArray(json.stages), stdout + stderr);
  return json.stages.map(({ state, fromStep }: Json) => [state, fromStep].filter(Boolean).join(" ")).join(", ");
};

const cli = async (project: Project, args: readonly string[], code = 0) => {
  const end = await project.cli(args);
  assertEquals(end.code, code, end.stdout + end.stderr);
  return end;
};

Deno.test("a result that is kept serves for one edit of the code, and --undo takes it back", async () => {
  await using project = made();
  await runAndCheckPlan(project, ["p.yaml"]);
  const first = project.read("outputs/demo/twice/last.txt");
  assertMatch((await cli(project, ["keep", "p.yaml", "walk"], 1)).stderr, /there is nothing to do for "walk"/);

  edit(project, "b");
  assertEquals(await states(project), "run, may-run");
  assertMatch((await cli(project, ["keep", "p.yaml", "twice"], 1)).stderr, /depends on results that are not there yet/);
  assertMatch(
    (await cli(project, ["keep", "p.yaml", "walk"])).stdout,
    /walk: \w+ serves, kept by .+ for an edit of code/,
  );
  assertEquals(await states(project), "cached, cached");
  // Nobody remembers that everything was up to date before it was kept, nor after.
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, []);
  assertEquals(project.read("outputs/demo/twice/last.txt"), first);

  // It is said wherever the result is explained.
  const about = /kept by .+ on .+ on \d{4}-\d\d-\d\d for an edit of code/;
  assertMatch((await cli(project, ["why", "p.yaml", "walk"])).stdout, about);
  assertMatch(project.read("outputs/demo/report.html"), about);
  await cli(project, ["report", "p.yaml"]);
  assertMatch(project.read("outputs/demo/report.html"), about);
  const { json } = await cli(project, ["plan", "p.yaml", "--json"]);
  assertEquals([Object.keys(json.stages[0].keep.edits), json.stages[1].keep], [["code"], undefined]);
  const verified = await project.cli(["verify", "p.yaml", "walk", "--resume"]);
  assertMatch(verified.stderr, /has a result of other code, which .+ kept on .+: nothing can be compared/);

  // It lends no progress, serves for no other params, and for no other edit.
  assertEquals(await states(project, "--set", "walk.steps=12"), "run, may-run");
  assertEquals(await states(project, "--set", "walk.text=c"), "run, may-run");
  edit(project, "c");
  assertEquals(await states(project), "run, may-run");
  edit(project, "b");
  assertEquals(await states(project), "cached, cached");

  assertMatch((await cli(project, ["keep", "p.yaml", "walk", "--undo"])).stdout, /walk: no longer kept/);
  assertEquals(await states(project), "run, may-run");
  assertMatch((await cli(project, ["verify", "p.yaml", "walk"])).stdout, /there is no result yet of the code/);
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["twice", "walk"]);
  assert(project.read("outputs/demo/twice/last.txt") !== first);
  // Two programs gave these bytes, so neither is the wrong one.
  assertEquals(project.exists(".noiseline/differences.jsonl"), false);
  assertEquals(await states(project), "cached, cached");
  assertMatch((await cli(project, ["keep", "p.yaml", "walk", "--undo"], 1)).stderr, /no result of it is kept/);
  // With the code as it was, both are there.
  edit(project, "");
  project.copy("tests/support/stages/walk.ts", "walk.ts");
  assertEquals(await states(project), "restore, restore");
});

Deno.test("only an edit of the code can be kept, and other candidates are named", async () => {
  await using project = made();
  await cli(project, ["run", "p.yaml"]);
  edit(project, "b");
  const other = await cli(project, ["keep", "p.yaml", "walk", "--set", "walk.text=c"], 1);
  assertMatch(other.stderr, /Cannot keep a result of "walk": none differs from it by an edit of its code alone/);
  assertEquals(project.exists(".noiseline/keeps.jsonl"), false);

  await cli(project, ["run", "p.yaml"]);
  edit(project, "c");
  // Both would do; the last one shown is taken.
  const { json } = await cli(project, ["keep", "p.yaml", "walk", "--json"]);
  const [{ keep, others }] = json.kept;
  assertEquals(others.length, 1);
  await cli(project, ["keep", "p.yaml", "walk", "--undo"]);
  const chosen = await cli(project, ["keep", "p.yaml", "walk", "--result", others[0].slice(0, 10), "--json"]);
  assertEquals([chosen.json.kept[0].keep.result, chosen.json.kept[0].others], [others[0], [keep.result]]);
  assertEquals(await states(project), "restore, restore");
  await cli(project, ["keep", "p.yaml", "walk", "--undo"]);
  // Where none was shown last, the user has to choose.
  project.remove("outputs");
  project.remove(".noiseline/views");
  const several = await cli(project, ["keep", "p.yaml", "walk"], 1);
  for (const key of [keep.result, others[0]]) assertStringIncludes(several.stderr, key.slice(0, 12));
});

Deno.test("a force computes what was kept, with the code as it is", async () => {
  await using project = made();
  await cli(project, ["run", "p.yaml"]);
  const first = project.read("outputs/demo/walk/last.txt");
  edit(project, "b");
  await cli(project, ["keep", "p.yaml", "walk"]);
  const { stdout, stderr } = await cli(project, ["run", "p.yaml", "--force", "walk"]);
  assert(!/not deterministic/.test(stdout + stderr));
  assert(project.read("outputs/demo/walk/last.txt") !== first);
  assertEquals((await cli(project, ["plan", "p.yaml", "--json"])).json.stages[0].keep, undefined);
});

Deno.test("what is kept holds in its own store, and nothing that reads it is taken for what the new code gives", async () => {
  await using project = made();
  const place = project.path("shared");
  await cli(project, ["run", "p.yaml", "walk"]);
  edit(project, "b");
  await cli(project, ["keep", "p.yaml", "walk"]);
  // Made from what is kept, and sent to a cache that machines share and to a folder.
  await cli(project, ["run", "p.yaml", "--cache", place]);
  await cli(project, ["export", "p.yaml", "--output", project.path("out")]);
  const kept = project.read("outputs/demo/twice/last.txt");

  await using elsewhere = made();
  edit(elsewhere, "b");
  await cli(elsewhere, ["import", project.path("out")]);
  assertEquals(await states(elsewhere, "--cache", place), "run, may-run");
  assertEquals(await states(elsewhere, "twice"), "run, may-run");
  await cli(elsewhere, ["run", "p.yaml", "twice", "--cache", place]);
  const other = elsewhere.read("outputs/demo/twice/last.txt");
  assert(other !== kept);

  // Nor here, once it is no longer kept.
  await cli(project, ["keep", "p.yaml", "walk", "--undo"]);
  assertEquals(await states(project, "twice"), "run, may-run");
  await cli(project, ["run", "p.yaml", "twice"]);
  assertEquals(project.read("outputs/demo/twice/last.txt"), other);
});

Deno.test("the children of a matrix are kept together", async () => {
  await using project = made();
  project.write(
    "p.yaml",
    `name: demo\nstages:\n  walk: { uses: ./walk.ts, matrix: { text: [a, b] }, with: { text: "\${matrix.text}" } }\n`,
  );
  await cli(project, ["run", "p.yaml"]);
  edit(project, "b");
  assertEquals(await states(project), "run, run");
  await cli(project, ["keep", "p.yaml", "walk"]);
  assertEquals(await states(project), "cached, cached");
  await cli(project, ["keep", "p.yaml", "walk", "--undo"]);
  assertEquals(await states(project), "run, run");
});
