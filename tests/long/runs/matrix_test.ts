import { assertEquals } from "@std/assert";
import { runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const SWEEP = `name: demo
profiles:
  long: { stages: { walk: { with: { steps: 6 } } } }
stages:
  walk:
    uses: ./walk.ts
    matrix: { text: [a, b] }
    with: { steps: 4, text: "\${matrix.text}" }
  all: { uses: ./cook.ts, inputs: { from: [walk] } }
`;

function newProject(): Project {
  const project = new Project({ stages: ["walk", "cook"], files: { "p.yaml": SWEEP } });
  // The walk has no text.txt, the file that cook reads from its inputs.
  project.write("cook.ts", project.read("cook.ts").replace('readText("text.txt")', 'readText("last.txt")'));
  return project;
}

Deno.test("run makes the children of a matrix, only new ones when it grows, and extends them across files", async () => {
  await using project = newProject();
  const first = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(first.ran, ["all", "walk~text=a", "walk~text=b"]);
  assertEquals(project.shown(), ["all", "walk~text=a", "walk~text=b"]);

  project.write("p.yaml", SWEEP.replace("[a, b]", "[c, a, b]"));
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["all", "walk~text=c"]);

  project.write("sub/q.yaml", "name: other\nextends: ../p.yaml\nstages: { all: null }\n");
  const long = await runAndCheckPlan(project, ["sub/q.yaml", "--profile", "long", "walk~text=b"]);
  assertEquals(long.planned["walk~text=b"], "extend");
  assertEquals(long.ran, ["walk~text=b"]);
});
