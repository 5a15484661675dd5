import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertNothingToDo, finalDigests, reasonsOf, runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const PATH = `// A straight line, bent by a power.
import { definePath } from "noiseline";
import { z } from "zod";
import { bend } from "./bend.ts";

export default definePath({
  params: z.strictObject({ power: z.number().positive().default(1) }),
  signal: (u, { power }) => 1 - bend(u, power),
  noise: (u, { power }) => bend(u, power),
});
`;
const BEND = "export const bend = (u: number, power: number): number => u ** power;\n";

const PIPELINE = `name: demo
stages:
  own: { uses: schedule, with: { uses: ./paths/flow.ts, power: 2, timesteps: 40 } }
  listed: { uses: schedule, with: { betas: [0.1, 0.5, 0.9, 1] } }
  filed: { uses: schedule, with: { betas: { path: ./betas.json } } }
`;

const FILES = {
  "p.yaml": PIPELINE,
  "paths/flow.ts": PATH,
  "paths/bend.ts": BEND,
  "betas.json": "[0.1, 0.5, 0.9, 1]\n",
};

Deno.test("run makes schedules of one's own again where their code or their numbers changed, and only there", async () => {
  await using project = new Project({ files: FILES });
  const first = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(first.ran, ["filed", "listed", "own"]);
  const digests = await finalDigests(project, ["p.yaml"]);
  assertEquals(digests["listed"], digests["filed"]);
  const { spec } = JSON.parse(project.read("outputs/demo/own/schedule.json"));
  assertEquals([spec.uses, spec.params, spec.timesteps], ["flow.ts", { power: 2 }, 40]);

  // Neither comments in the code nor the code's location count.
  project.write("paths/flow.ts", PATH.replace("A straight line", "A line"));
  project.write("other.json", FILES["betas.json"]);
  await assertNothingToDo(project, ["p.yaml", "--set", "filed.betas.path=./other.json"]);

  project.write("paths/bend.ts", BEND.replace("u ** power", "u ** (power + 1)"));
  project.write("betas.json", "[0.2, 0.5, 0.9, 1]\n");
  const second = await runAndCheckPlan(project, ["p.yaml"]);
  assertEquals(second.ran, ["filed", "own"]);
  assertEquals([reasonsOf(second.plan, "own"), reasonsOf(second.plan, "filed")], [["code"], ["external"]]);
});

Deno.test("validate refuses schedules that are none before anything runs, all at once and each at its place", async () => {
  await using project = new Project({ files: { ...FILES, "paths/bend.ts": BEND.replace("u ** power", "1 - u") } });
  project.write("p.yaml", `${PIPELINE}  named: { uses: schedule, with: { betas: ho/linear } }\n`);
  const { code, stdout, stderr } = await project.cli(["validate", "p.yaml"]);
  assertEquals(code, 2, stdout);
  assertMatch(stderr, /p\.yaml:3:40: error: .*\.\/paths\/flow\.ts: the path does not start at the image/);
  assertMatch(stderr, /p\.yaml:6:\d+: error: .*needs the number of its timesteps/);
  assertStringIncludes(stderr, "add timesteps: 1250");
});
