import { assertEquals, assertMatch } from "@std/assert";
import { Project } from "../../support/project.ts";

const PIPELINE = `name: demo
stages:
  walk: { uses: ./walk.ts, with: { steps: 5, holdAt: 3 }, timeout: 10s }
`;

Deno.test("a stage whose time is over goes on from what it saved when it is given more", async () => {
  await using project = new Project({ stages: ["walk"], files: { "p.yaml": PIPELINE } });
  const first = await project.cli(["run", "p.yaml"]);
  assertEquals(first.code, 1, first.stdout);
  assertMatch(first.stderr, /it ran longer than its timeout of 10 s/);
  assertMatch(first.stderr, /raise timeout of walk; run again to go on from step 3/);

  project.write("p.yaml", PIPELINE.replace("timeout: 10s", "timeout: 5m"));
  const [planned] = (await project.cli(["plan", "p.yaml", "--json"])).json.stages;
  assertEquals([planned.state, planned.fromStep], ["resume", 3]);
  const second = await project.cli(["run", "p.yaml"]);
  assertEquals(second.code, 0, second.stderr);

  await using fresh = new Project({
    stages: ["walk"],
    files: { "p.yaml": PIPELINE.replace("holdAt: 3", "holdAt: 0") },
  });
  assertEquals((await fresh.cli(["run", "p.yaml"])).code, 0);
  const walked = "outputs/demo/walk/all.txt";
  assertEquals(project.read(walked), fresh.read(walked));
});
