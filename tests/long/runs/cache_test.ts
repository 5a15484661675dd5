import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertNothingToDo, finalDigests, reasonsOf, runAndCheckPlan } from "../../support/check_plan.ts";
import { CHAIN } from "../../support/chain.ts";
import { Project } from "../../support/project.ts";

/** The same pipeline written differently: order of keys, layout, comments, ids and a longer way to write a value. */
const SAME = `# Nothing in here is new.
stages:
  noise:
    with:
      timesteps: 100 # as before
      betas: "sigmoid"
    uses: schedule
  last:
    uses: ./cook.ts
    inputs: { from: [second.out] }
  second:
    with: { amount: 1.0, text: middle }
    inputs: { from: [first] }
    uses: ./cook.ts
  first: { with: { text: "hello" }, uses: ./cook.ts }

seed: 3
name: demo
`;

Deno.test("run executes nothing when names, order and layout of the file change", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": CHAIN, "same.yaml": SAME } });
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["a", "b", "c", "noise"]);
  const digests = await finalDigests(project, ["p.yaml"]);
  assertMatch((await project.cli(["run", "p.yaml"])).stdout, /^demo: nothing to do \(4 stages cached\)\npage: .*\n$/);

  const same = await runAndCheckPlan(project, ["same.yaml"]);
  assertEquals(same.ended, { first: "restored", last: "restored", second: "restored" });
  assertEquals(Object.values(await finalDigests(project, ["same.yaml"])).map(({ out }) => out), [
    digests["noise"]!["out"],
    ...["a", "b", "c"].map((id) => digests[id]!["out"]),
  ]);
  assertEquals(["a", "b", "c", "first"].map((id) => project.executions(id)), [1, 1, 1, 0]);
});

Deno.test("run stops at equal bytes when an upstream stage runs again and writes the same", async () => {
  await using project = new Project({
    stages: ["cook"],
    files: { "p.yaml": CHAIN.replace("text: hello", "text: hello, constant: true") },
  });
  await runAndCheckPlan(project, ["p.yaml"]);
  const cut = await runAndCheckPlan(project, ["p.yaml", "--set", "a.text=other"]);
  assertEquals(cut.planned, { a: "run", noise: "cached", b: "may-run", c: "may-run" });
  assertEquals(cut.ended, { a: "ran", b: "cached", c: "cached" });
  // The recipe of b is now known to lead to its result, although a has changed since b ran.
  assertStringIncludes(
    (await project.cli(["run", "p.yaml", "c", "--set", "a.text=other"])).stdout,
    "demo: nothing to do (1 stage cached)\n",
  );
});

Deno.test("run follows contents and not paths when an external file changes, moves or is touched", async () => {
  const file = `name: demo
stages:
  a: { uses: ./cook.ts, with: { data: data/x.txt } }
  b: { uses: ./cook.ts, inputs: { from: [a] } }
  other: { uses: ./cook.ts, with: { text: alone } }
`;
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": file, "data/x.txt": "one" } });
  await runAndCheckPlan(project, ["p.yaml"]);
  assertStringIncludes(project.read("outputs/demo/b/text.txt"), "one");

  project.write("moved.txt", "one");
  await assertNothingToDo(project, ["p.yaml", "--set", "a.data=moved.txt"]);
  Deno.utimeSync(project.path("data/x.txt"), 1, 1);
  await assertNothingToDo(project, ["p.yaml"]);

  // Size and modification time stay the same: only the content differs.
  project.write("data/x.txt", "two");
  Deno.utimeSync(project.path("data/x.txt"), 1, 1);
  const changed = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(changed.ran, ["a", "b"]);
  assertEquals(reasonsOf(changed.plan, "a"), ["external"]);
  assertStringIncludes(project.read("outputs/demo/b/text.txt"), "two");
});

Deno.test("run follows the code that a custom stage executes when it, a helper or a type changes", async () => {
  const stage = `import { defineStage } from "noiseline";
import { z } from "zod";
import { word } from "./lib/helper.ts";
import type { Only } from "./lib/types.ts";

const salt: Only = "salt";
export default defineStage({
  summary: "Says a word",
  params: z.strictObject({}),
  inputs: {},
  outputs: { out: { type: "files", description: "The word" } },
  run: ({ outputs }) => outputs.out.write("text.txt", word + salt),
});
`;
  await using project = new Project({
    stages: ["cook"],
    files: {
      "say.ts": stage,
      "lib/helper.ts": 'export const word: string = "one";\n',
      "lib/types.ts": "export type Only = string;\n",
      "p.yaml": "name: demo\nstages:\n  a: { uses: ./say.ts }\n  b: { uses: ./cook.ts, inputs: { from: [a] } }\n",
    },
  });
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["a", "b"]);

  project.write("lib/types.ts", "export type Only = string | number;\n");
  await assertNothingToDo(project, ["p.yaml"]);

  project.write("lib/helper.ts", 'export const word: string = "two";\n');
  const helper = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(helper.ran, ["a", "b"]);
  assertEquals(reasonsOf(helper.plan, "a"), ["code"]);
  assertEquals(project.read("outputs/demo/a/text.txt"), "twosalt");

  project.write("say.ts", `// Says it.\n${stage}`);
  await assertNothingToDo(project, ["p.yaml"]);

  // Changed code may behave as before: if its output has the same bytes, nothing downstream runs.
  project.write("say.ts", stage.replace("word + salt", "`${word}${salt}`"));
  const own = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(own.ended, { a: "ran", b: "cached" });
});
