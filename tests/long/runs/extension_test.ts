import { assertEquals } from "@std/assert";
import { assertNothingToDo, finalDigests, runAndCheckPlan } from "../../support/check_plan.ts";
import type { Json } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

const WALK = "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 6, saveEvery: 2 } }\n";
const steps = (count: number) => ["p.yaml", "--set", `walk.steps=${count}`];

function newProject(pipeline: string): Project {
  return new Project({ stages: ["walk", "cook"], files: { "p.yaml": pipeline } });
}

async function straight(count: number) {
  await using project = newProject(WALK);
  await runAndCheckPlan(project, steps(count));
  return await finalDigests(project, steps(count));
}

Deno.test("run continues a shorter result and serves kept ones when an extent goes up and down", async () => {
  const twelve = straight(12);
  await using project = newProject(WALK);
  await runAndCheckPlan(project, steps(6));
  const six = await finalDigests(project, steps(6));
  const up = await runAndCheckPlan(project, steps(12));
  assertEquals([up.plan.stages[0].state, up.plan.stages[0].fromStep], ["extend", 6]);
  assertEquals(await finalDigests(project, steps(12)), await twelve);

  const down = await runAndCheckPlan(project, steps(6));
  assertEquals(down.ended, { walk: "restored" });
  assertEquals(await finalDigests(project, steps(6)), six);

  // Ten steps were never asked for, but the state saved at ten was kept during the run to twelve.
  const between = await runAndCheckPlan(project, steps(10));
  assertEquals(between.plan.stages[0].fromStep, 10);
  assertEquals(project.read("outputs/demo/walk/all.txt").trim().split("\n").length, 10);

  // Below the oldest saved state, the walk starts again, because a longer walk cannot be cut.
  const below = await runAndCheckPlan(project, steps(3));
  assertEquals(below.planned, { walk: "run" });
  assertEquals(project.read("outputs/demo/walk/all.txt").trim().split("\n").length, 3);
});

Deno.test("run makes a stage at several extents one after another when references ask for them", async () => {
  await using project = newProject(`${WALK}  early: { uses: ./cook.ts, inputs: { from: [walk@2.out] } }
  both: { uses: ./cook.ts, inputs: { from: [walk@4.out, walk.out] } }
`.replace("text.txt", "last.txt"));
  // The walk has no text.txt, the file that cook reads from its inputs.
  project.write("cook.ts", project.read("cook.ts").replace('readText("text.txt")', 'readText("last.txt")'));
  const { ran, plan, outcome } = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(ran, ["both", "early", "walk", "walk@2", "walk@4"]);
  assertEquals(plan.stages.filter(({ id }: Json) => id.startsWith("walk")).map(({ id }: Json) => id), [
    "walk@2",
    "walk@4",
    "walk",
  ]);
  const order = outcome.events.filter(({ type, id }) => type === "stage-finished" && id.startsWith("walk"));
  assertEquals(order.map(({ id }) => id), ["walk@2", "walk@4", "walk"]);
  const hashes = project.read("outputs/demo/walk/all.txt").trim().split("\n");
  assertEquals(project.read("outputs/demo/walk@4/last.txt").trim(), hashes[3]);
  assertEquals(project.read("outputs/demo/both/text.txt"), ` 1 0\n${hashes[3]}\n\n${hashes[5]}\n\n`);
  assertEquals(hashes.length, 6);
  await assertNothingToDo(project, ["p.yaml"]);
});

Deno.test("run judges an early checkpoint while the training behind it goes on", async () => {
  await using project = newProject(`name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 6, holdAt: 4 } }
  early: { uses: ./judge.ts, inputs: { from: [walk@2] } }
`);
  project.write("judge.ts", project.read("cook.ts").replace('readText("text.txt")', 'readText("last.txt")'));
  await using running = project.start(["run", "p.yaml", "--jobs", "2", "--json"]);
  // The walk waits in its fourth step until it is stopped, so a stage that ends before that has not waited for the
  // walk.
  await running.event(({ type, id, step }) => type === "stage-saved" && id === "walk" && step === 4);
  await running.event(({ type, id }) => type === "stage-finished" && id === "early");
  running.signal("SIGINT");
  const { code, events } = await running.outcome();
  assertEquals(code, 130);
  const states = events.filter(({ type }) => type === "stage-finished").map(({ id, state }) => [id, state]);
  assertEquals(states, [["walk@2", "ran"], ["early", "ran"], ["walk", "interrupted"]]);
});
