import { assertEquals } from "@std/assert";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

/** A stage that writes other bytes in each run, as a stage that is not deterministic does. */
const DICE = `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Something else each time",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "A number" } },
  async run({ outputs }) {
    await outputs.out.write("text.txt", crypto.randomUUID());
  },
});
`;

const CHAIN = `name: demo
stages:
  a: { uses: ./dice.ts }
  b: { uses: ./cook.ts, inputs: { from: [a] } }
  c: { uses: ./cook.ts, inputs: { from: [b] } }
  d: { uses: ./cook.ts, inputs: { from: [c] } }
`;

Deno.test("a stage that is asked for alone is made anew when something far above it came out differently", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": CHAIN, "dice.ts": DICE } });
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["a", "b", "c", "d"]);
  // If nothing upstream has changed, nothing upstream is looked at.
  assertEquals((await runAndCheckPlan(project, ["p.yaml", "d"])).ran, []);
  await runAndCheckPlan(project, ["p.yaml", "a", "--force", "a"], { runOnly: ["--replace"] });
  assertEquals((await runAndCheckPlan(project, ["p.yaml", "d"])).ran, ["b", "c", "d"]);
  // A stage upstream of the target that is forced runs again.
  assertEquals((await runAndCheckPlan(project, ["p.yaml", "d", "--force", "b"])).ran, ["b"]);
});
