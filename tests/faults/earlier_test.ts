import { assertEquals } from "@std/assert";
import { Project } from "../support/project.ts";

const PIPELINE = `name: demo
stages:
  a: { uses: ./cook.ts, with: { text: hello } }
  b: { uses: ./walk.ts, with: { steps: 5 } }
  c: { uses: ./cook.ts, inputs: { from: [a] }, needs: b }
`;

Deno.test("after kill -9 in the middle, status names just the folders that show what was there before", async () => {
  await using project = new Project({ stages: ["cook", "walk"], files: { "p.yaml": PIPELINE } });
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);
  const named = async (args: readonly string[]) =>
    JSON.parse((await project.cli(["status", ...args, "--json"])).stdout).earlier;
  assertEquals(await named(["p.yaml"]), []);

  const changed = ["p.yaml", "--set", "a.text=other", "--set", "b.text=other"];
  {
    await using running = project.start(["run", ...changed, "--set", "b.holdAt=3", "--json"]);
    await running.event(({ type, id }) => type === "stage-finished" && id === "a");
    await running.event(({ type, step }) => type === "stage-saved" && step === 3);
    running.signal("SIGKILL");
    await running.outcome();
  }
  assertEquals(await named(changed), ["b", "c"]);
  // A complete run of either configuration fills all of its folders again.
  for (const args of [changed, ["p.yaml"]]) {
    assertEquals((await project.cli(["run", ...args])).code, 0);
    assertEquals(project.shown(), ["a", "b", "c"]);
  }
});
