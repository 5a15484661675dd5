import { assertEquals } from "@std/assert";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

Deno.test("what a stage saved after its code was edited is not gone on from when the edit is undone", async () => {
  await using project = new Project({ stages: ["walk"] });
  project.write("p.yaml", "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 4 } }\n");
  const code = project.read("walk.ts");
  await using running = project.start(["run", "p.yaml", "--set", "walk.holdAt=2", "--json"]);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step === 2);
  project.write("walk.ts", code.replace('"0".repeat', '"1".repeat'));
  running.signal("SIGINT");
  const { code: exit, events } = await running.outcome();
  assertEquals(exit, 130);
  const warned = events.filter(({ type, level }) => type === "stage-note" && level === "warn");
  assertEquals(warned.map(({ message }) => message), [
    "its code changed after planning; what the stage has saved since is discarded",
  ]);
  project.write("walk.ts", code);
  const { stages: [planned] } = (await project.cli(["plan", "p.yaml", "--json"])).json;
  assertEquals([planned.state, planned.fromStep], ["run", undefined]);
});
