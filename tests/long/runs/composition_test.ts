import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertNothingToDo, runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const PART = `name: part
vars: { text: low }
inputs: { start: where it begins }
outputs: { end: cook }
stages:
  cook: { uses: ../cook.ts, inputs: { from: [inputs.start] }, with: { text: "\${vars.text}" } }
  extra: { uses: ../cook.ts, inputs: { from: [cook] }, when: { value: "\${vars.text}", in: [high] } }
`;

const WHOLE = `name: demo
extends: ./vars.yaml
stages:
  first: { uses: ./cook.ts, seed: 7, with: { text: first } }
  part: { uses: ./parts/part.yaml, inputs: { start: first }, with: { text: "\${vars.text}" } }
  last: { uses: ./cook.ts, needs: part, with: { text: last } }
`;

Deno.test("run goes through a pipeline that is a stage, with vars of another file, conditions, needs and seeds of stages", async () => {
  await using project = new Project({
    stages: ["cook"],
    files: { "p.yaml": WHOLE, "parts/part.yaml": PART, "vars.yaml": "vars: { text: middle }\n" },
  });
  const first = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(first.ran, ["first", "last", "part/cook"]);
  assertStringIncludes(first.plan.leftOut["part/extra"], "vars.yaml:1:");
  const ends = first.outcome.events.filter(({ type }) => type === "stage-finished").map(({ id }) => id);
  assertEquals(ends, ["first", "part/cook", "last"]);
  assertEquals(project.read("outputs/demo/part/cook/text.txt"), "middle 1 0\nfirst 1 7\n\n");
  assertEquals(project.list(".noiseline/tmp"), []);
  await assertNothingToDo(project, ["p.yaml"]);

  project.write("vars.yaml", "vars: { text: high }\n");
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["part/cook", "part/extra"]);
  const logs = project.files(".noiseline/runs").filter((file) => file.endsWith(".log"));
  assertEquals(logs.filter((file) => file.includes("part+extra")).length, 1);
});
