import { assertEquals, assertMatch } from "@std/assert";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { askedGrants, NO_BOX, NO_PYTHON, runsIn, withoutBox } from "../../support/commands.ts";
import type { Json } from "../../support/cli_process.ts";
import { ADD_UP, totalOf, withLauncher } from "../../support/ranks.ts";
import type { Project } from "../../support/project.ts";
import { loadPipeline, openStore, runPipeline } from "noiseline/engine";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { Grants } from "../../../engine/run/rights.ts";

const test = (name: string, fn: () => Promise<void>, why = NO_PYTHON) =>
  Deno.test({ name: `${name}${why === undefined ? "" : ` (skipped: ${why})`}`, ignore: why !== undefined, fn });

/** Returns the lines that the first rank wrote about itself. */
function told(project: Project): string[] {
  const [file] = project.files(".noiseline/progress").filter((name) => name.endsWith("/told.txt"));
  return project.read(`.noiseline/progress/${file}`).trim().split("\n");
}

test("ranks of a launcher are one program: they run once, go on, and say what one process says", async () => {
  await using project = withLauncher();
  const grants = await askedGrants(project, "p.yaml");
  const { outcome } = await runAndCheckPlan(project, ["p.yaml"], { runOnly: grants });
  assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(10));
  const of = (type: string) => outcome.events.filter((one) => one.type === type);
  assertEquals(of("stage-saved").map(({ step }) => step), [5, 10]);
  // The first rank alone reports, so no step comes twice.
  const steps = of("stage-progress").map(({ update }) => update.done);
  assertEquals(steps, [...new Set(steps)]);
  assertEquals(steps.at(-1), 10);
  const { planned } = await runAndCheckPlan(project, ["p.yaml", "--set", "count.steps=23"], { runOnly: grants });
  assertEquals([planned["count"], project.read("outputs/demo/count/total.txt")], ["extend", totalOf(23)]);
  const state = async () => {
    const [stage] = (await project.cli(["plan", "p.yaml", "--set", "count.steps=23", "--json"])).json.stages as Json[];
    return [stage.state, ...stage.reasons.map(({ code, name }: Json) => `${code} ${name}`)];
  };
  assertEquals(await state(), ["cached"]);
  project.write("p.yaml", ADD_UP.replace("node=2", "node=3"));
  assertEquals(await state(), ["run", "param run"]);
  project.write("p.yaml", ADD_UP);
  project.write("launch.py", `${project.read("launch.py")}# edited\n`);
  assertEquals(await state(), ["run", "param interpreter"]);
});

test("tasks says to the launcher how many ranks there are, and nodes mean nothing on one machine", async () => {
  const text = ADD_UP.replace("--nproc-per-node=2, ", "").replace("outputs:", "tasks: 2\n      outputs:");
  await using project = withLauncher(`${text}    resources: { nodes: 2 }\n`);
  const { code, stderr } = await project.cli(["run", "p.yaml", ...await askedGrants(project, "p.yaml")]);
  assertEquals([code, project.read("outputs/demo/count/total.txt")], [0, totalOf(10)], stderr);
  const state = async () => (await project.cli(["plan", "p.yaml", "--json"])).json.stages[0].state;
  assertEquals(await state(), "cached");
  // Where the ranks are is not in the key, how many there are is.
  project.write("p.yaml", text);
  assertEquals(await state(), "cached");
  project.write("p.yaml", text.replace("tasks: 2", "tasks: 3"));
  assertEquals(await state(), "run");
});

for (const contained of [true, false]) {
  const why = NO_PYTHON ?? (contained ? NO_BOX : undefined);
  const where = contained ? "in a box" : "without bubblewrap";
  test(`SIGTERM lets ranks save, and the next run goes on, ${where}`, async () => {
    await using project = withLauncher(`${ADD_UP}      params: { pause: 0.05 }\n`.replace("steps: 10", "steps: 43"));
    const env = contained ? {} : withoutBox(project);
    const args = ["run", "p.yaml", "--json", ...await askedGrants(project, "p.yaml")];
    await using running = project.start(args, { env });
    await running.event(({ type, step }) => type === "stage-saved" && step >= 10);
    running.signal("SIGTERM");
    const { code, events } = await running.outcome();
    assertEquals(code, 130);
    assertEquals(events.find(({ type }) => type === "stage-finished")?.state, "interrupted");
    assertEquals((await project.cli(args, { env })).code, 0);
    assertEquals(project.read("outputs/demo/count/total.txt"), totalOf(43));
    // It saved the step that it was in, whichever that was.
    const steps = told(project).filter((line) => line.startsWith("step"));
    assertEquals(new Set(steps).size, steps.length);
  }, why);

  test(`a rank that raises, dies or hangs is one clear error, ${where}`, async () => {
    const wrongs: Readonly<Record<string, RegExp>> = {
      raises:
        /^it exited with code 1\nrank 1: Traceback[^]*ValueError: no data for this rank(\nrank 0: \w+Error: .*)?$/,
      dies: /^its process ended by SIGKILL .*\n[^]*rank {6}: 1 \(local_rank: 1\)\n/,
      hangs: /^it ran longer than its timeout of 6 s$/,
    };
    const stages = Object.keys(wrongs).map((wrong) =>
      ADD_UP.slice(ADD_UP.indexOf("  count:")).replace("count", wrong)
        .replace("uses", wrong === "hangs" ? "timeout: 6s\n    uses" : "uses") +
      `      params: { wrong: ${wrong}, at: [1, 7] }\n`
    );
    await using project = withLauncher(`name: demo\nstages:\n${stages.join("")}`);
    const env = contained ? {} : withoutBox(project);
    const args = ["run", "p.yaml", "--keep-going", "--jobs", "1", "--json", ...await askedGrants(project, "p.yaml")];
    const { code, events, stderr } = await project.cli(args, { env });
    assertEquals(code, 1, stderr);
    const ends = events.filter(({ type }) => type === "stage-finished");
    for (const { id, state, message } of ends) {
      assertEquals(state, "failed", id);
      assertMatch(message, wrongs[id]!, id);
    }
    assertEquals(ends.length, 3);
    assertEquals(runsIn(project), false, "a rank outlives its stage");
  }, why);
}

test("two stages that ask for four of eight cards have four each at the same time", async () => {
  await using project = withLauncher();
  const wait = `until [ -e ${project.path("go")} ]; do sleep 0.1; done`;
  const stage = (id: string) =>
    `  ${id}:
    uses: command
    resources: { cpu: 0, gpu: 4 }
    with:
      run: [sh, -c, 'echo $CUDA_VISIBLE_DEVICES > "$1/cards.txt"; ${wait}', ${id}, "\${outputs.out}"]
      outputs: { out: files }
`;
  project.write("p.yaml", `name: demo\nstages:\n${stage("a")}${stage("b")}`);
  const loaded = await loadPipeline(project.path("p.yaml"), { kinds: BUILTIN_KINDS });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  const gpus = Array.from({ length: 8 }, (_, id) => `${id}`);
  let started = 0;
  // No card is here: slots stand for them.
  const ran = await runPipeline(loaded.value, openStore(project.path(".noiseline")), {
    ...{ gpus, jobs: 2, lockFolder: project.path("slots") },
    grants: new Grants(project.root, project.path("grants.json")),
    askForGrants: () => Promise.resolve(true),
    emit: ({ type }) => {
      started += type === "stage-started" ? 1 : 0;
      if (started === 2) project.write("go", "");
    },
  });
  assertEquals(ran.ok && Array.from(ran.value.actions.values(), ({ state }) => state), ["ran", "ran"]);
  const seen = ["a", "b"].map((id) => project.read(`outputs/demo/${id}/cards.txt`).trim().split(","));
  assertEquals(seen.map(({ length }) => length), [4, 4]);
  assertEquals(seen.flat().sort(), gpus);
}, undefined);
