import { assertEquals } from "@std/assert";
import { assertNothingToDo, finalDigests, reasonsOf, runAndCheckPlan } from "../../support/check_plan.ts";
import { CHAIN } from "../../support/chain.ts";
import { Project } from "../../support/project.ts";

Deno.test("run executes what a change can reach when params, seed or execution params change", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": CHAIN } });
  await runAndCheckPlan(project, ["p.yaml"]);
  const first = await finalDigests(project, ["p.yaml"]);

  await assertNothingToDo(project, ["p.yaml", "--set", "b.threads=4"]);

  const param = await runAndCheckPlan(project, ["p.yaml", "--set", "b.text=other"]);
  assertEquals(param.ran, ["b", "c"]);
  assertEquals(param.planned, { a: "cached", noise: "cached", b: "run", c: "may-run" });
  assertEquals(reasonsOf(param.plan, "b"), ["param"]);

  const seed = await runAndCheckPlan(project, ["p.yaml", "--set", "seed=4"]);
  assertEquals(seed.ran, ["a", "b", "c"]);

  const back = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(back.ended, { a: "restored", b: "restored", c: "restored" });
  assertEquals(await finalDigests(project, ["p.yaml"]), first);
  assertEquals(project.read("outputs/demo/a/text.txt"), "hello 1 3\n");
});
