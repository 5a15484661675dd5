import { assert, assertEquals } from "@std/assert";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

function replace(project: Project, name: string, text: string): void {
  project.write("new", text);
  Deno.renameSync(project.path("new"), project.path(name));
}

async function planOf(project: Project) {
  const { stages: [planned] } = (await project.cli(["plan", "p.yaml", "--json"])).json;
  return planned;
}

Deno.test("what a stage saved before its code was edited is gone on from when the edit is undone", async () => {
  await using project = new Project({ stages: ["walk"] });
  project.write("p.yaml", "name: demo\nstages:\n  walk: { uses: ./walk.ts, with: { steps: 4 } }\n");
  const code = project.read("walk.ts");
  await using running = project.start(["run", "p.yaml", "--set", "walk.holdAt=2", "--json"]);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step === 2);
  project.write("walk.ts", code.replace('"0".repeat', '"1".repeat'));
  running.signal("SIGINT");
  const { code: exit, events } = await running.outcome();
  assertEquals([exit, events.filter(({ type }) => type === "stage-note")], [130, []]);
  project.write("walk.ts", code);
  const planned = await planOf(project);
  assertEquals([planned.state, planned.fromStep], ["resume", 2]);
});

Deno.test("an edit of a module stops its stage when that saves next, by the name of the module, and costs no earlier state", async () => {
  await using project = new Project({ stages: ["walk"] });
  const code = project.read("walk.ts");
  // Several steps pass while the run checks the code once, so some states are saved after the edit; the states from
  // before the edit must outlive them.
  const slow = code.replace("const START", 'import { START } from "./lib/start.ts";\n//')
    .replace("hashes.push", "await new Promise((done) => setTimeout(done, 30));\n      hashes.push");
  project.write("stages/walk.ts", slow);
  project.write("stages/lib/start.ts", 'export const START = "0";\n');
  project.write("p.yaml", "name: demo\nstages:\n  walk: { uses: ./stages/walk.ts, with: { steps: 500 } }\n");
  await using running = project.start(["run", "p.yaml", "--json"]);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step === 3);
  // An edit that keeps the behaviour stops nothing. Half an edit would: editors replace a file by a complete new one.
  replace(project, "stages/walk.ts", `// A comment.\n${slow}`);
  await running.event(({ type, step }: Json) => type === "stage-saved" && step === 5);
  replace(project, "stages/lib/start.ts", 'export const START = "1";\n');
  const { code: exit, events } = await running.outcome();
  const failed = events.find(({ type, state }) => type === "stage-finished" && state === "failed")!;
  assertEquals([exit, failed.message], [1, "stages/lib/start.ts changed after planning; it was stopped"]);
  project.write("stages/lib/start.ts", 'export const START = "0";\n');
  const planned = await planOf(project);
  assertEquals(planned.state, "resume");
  assert(planned.fromStep >= 1 && planned.fromStep < 50, `${planned.fromStep}`);
  assertEquals(failed.fix, `run again, or undo the edit first to go on from step ${planned.fromStep}`);
});
