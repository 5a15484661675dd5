import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertNothingToDo, runAndCheckPlan } from "../support/check_plan.ts";
import { Project } from "../support/project.ts";

/** Judges a walk by how far the first letter of its text is in the alphabet. */
const JUDGE = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "A figure",
  params: z.strictObject({ text: z.string(), sign: z.number() }),
  inputs: { from: { type: "files", description: "What to judge" } },
  outputs: { metrics: { type: "metrics", description: "The figure" } },
  async run({ params: { text, sign }, outputs }) {
    const metrics = [{ name: "far", value: sign * text.charCodeAt(0), count: 1 }];
    const record = { format: 1, seed: null, images: {}, metrics };
    await outputs.metrics.write("metrics.json", JSON.stringify(record));
  },
});
`;

const SWEEP = `name: demo
vars: { sign: 1 }
stages:
  walk:
    uses: ./walk.ts
    matrix: { text: [c, a, b] }
    with: { steps: 4, text: "\${matrix.text}" }
  judge:
    uses: ./judge.ts
    inputs: { from: walk }
    with: { text: "\${matrix.text}", sign: "\${vars.sign}" }
  pick:
    uses: select
    inputs: { candidates: [walk.out], metrics: [judge] }
    with: { metric: far, keep: 2 }
  long: { uses: continue, inputs: { chosen: pick.best1 }, with: { steps: 6 } }
  of: { uses: ./cook.ts, inputs: { from: [long, pick.best2] } }
`;

Deno.test("run chooses from a sweep, goes on with the best, and changes its mind only when the figures do", async () => {
  await using project = new Project({ stages: ["walk", "cook"], files: { "p.yaml": SWEEP, "judge.ts": JUDGE } });
  project.write("cook.ts", project.read("cook.ts").replace('readText("text.txt")', 'readText("last.txt")'));
  const first = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(first.planned["long"], "may-run");
  assertEquals(first.ended["long"], "ran");
  const noted = first.outcome.events.filter(({ type, id }) => type === "stage-note" && id === "long");
  assertStringIncludes(noted[0].message, "goes on with walk~text=a");
  // It went on from the fourth step: the first four are those of the candidate.
  const steps = (stage: string) => project.read(`outputs/demo/${stage}/all.txt`).trim().split("\n");
  assertEquals(steps("long").length, 6);
  assertEquals(steps("long").slice(0, 4), steps("walk~text=a"));
  assertEquals(steps("pick/best2"), steps("walk~text=b"));
  const selection = JSON.parse(project.read("outputs/demo/pick/selection/selection.json"));
  assertEquals(selection.ranking.map(({ candidate }: { candidate: number }) => candidate), [0, 1, 2]);
  await assertNothingToDo(project, ["p.yaml"]);

  // Other figures and the same order: the selection is new, what was chosen is not.
  const doubled = await runAndCheckPlan(project, ["p.yaml", "--set", "vars.sign=2"]);
  assertEquals(doubled.ran, ["judge~text=a", "judge~text=b", "judge~text=c", "pick"]);
  const turned = await runAndCheckPlan(project, ["p.yaml", "--set", "vars.sign=-1"]);
  assertEquals([turned.ended["pick"], turned.ended["long"], turned.ended["of"]], ["ran", "ran", "ran"]);
  assertEquals(steps("long").slice(0, 4), steps("walk~text=c"));
});

/** Judges a walk by where it has got to. */
const JUDGE_WALK = JUDGE.replace("text: z.string(), ", "")
  .replace("run({ params: { text, sign }, outputs })", "run({ params: { sign }, inputs, outputs })")
  .replace("text.charCodeAt(0)", 'parseInt((await inputs.from.readText("last.txt")).slice(0, 6), 16)');

const HALVING = `name: halving
vars: { sign: 1 }
stages:
  walk: { uses: ./walk.ts, matrix: { text: [a, b, c, d] }, with: { steps: 2, text: "\${matrix.text}" } }
  judge: { uses: ./judge.ts, inputs: { from: walk }, with: { sign: "\${vars.sign}" } }
  pick:
    uses: select
    inputs: { candidates: [walk.out], metrics: [judge] }
    with: { metric: far, keep: 2 }
  one: { uses: continue, inputs: { chosen: pick.best1 }, with: { steps: 4 } }
  two: { uses: continue, inputs: { chosen: pick.best2 }, with: { steps: 4 } }
  judge1: { uses: ./judge.ts, inputs: { from: one }, with: { sign: "\${vars.sign}" } }
  judge2: { uses: ./judge.ts, inputs: { from: two }, with: { sign: "\${vars.sign}" } }
  again:
    uses: select
    inputs: { candidates: [one.out, two.out], metrics: [judge1, judge2] }
    with: { metric: far }
  last: { uses: continue, inputs: { chosen: again.best1 }, with: { steps: 8 } }
  longer: { uses: continue, inputs: { chosen: again.best1 }, with: { steps: 10 } }
  of: { uses: ./cook.ts, inputs: { from: [last, longer] } }
`;

Deno.test("run halves a sweep twice, each stage going on where the one before ended, for targets and after damage", async () => {
  await using project = new Project({ stages: ["walk", "cook"], files: { "p.yaml": HALVING, "judge.ts": JUDGE_WALK } });
  project.write("cook.ts", project.read("cook.ts").replace('readText("text.txt")', 'readText("last.txt")'));
  const first = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(first.ran.length, 17);
  // From the record: where each stage began.
  const [run] = project.list(".noiseline/runs");
  const { stages } = JSON.parse(project.read(`.noiseline/runs/${run}/run.json`));
  const from = (id: string) => stages[id].fromStep;
  assertEquals([from("one"), from("two"), from("last"), from("longer")], [2, 2, 4, 8]);
  await assertNothingToDo(project, ["p.yaml"]);

  const turned = await runAndCheckPlan(project, ["p.yaml", "of", "--set", "vars.sign=-1"]);
  assertEquals([turned.ended["last"], turned.ended["longer"], turned.ended["of"]], ["ran", "ran", "ran"]);
  const text = project.read("outputs/halving/of/text.txt");
  for (const file of project.files(".noiseline/objects")) project.remove(`.noiseline/objects/${file}`);
  await runAndCheckPlan(project, ["p.yaml", "of", "--set", "vars.sign=-1"]);
  assertEquals(project.read("outputs/halving/of/text.txt"), text);
});
