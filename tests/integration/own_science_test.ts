import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Json } from "../support/cli_process.ts";
import { OWN_SCIENCE, ownProject } from "../support/own_science.ts";

Deno.test("a pipeline of four definitions of one's own runs, and comments rerun nothing", async () => {
  await using project = ownProject();
  const ran = await project.cli(["run", "p.yaml"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const config = JSON.parse(project.read("outputs/demo/train/checkpoint/config.json"));
  // A checkpoint names what it was made with, and holds none of it.
  assertEquals([config.model.uses, config.objective.uses, config.schedule.uses], ["net.ts", "velocity.ts", "flow.ts"]);
  const states = async () => {
    const { stages } = (await project.cli(["plan", "p.yaml", "--json"])).json;
    return Object.fromEntries(stages.map(({ id, state }: Json) => [id, state]));
  };
  const cached = { path: "cached", digits: "cached", train: "cached", sample: "cached", evaluate: "cached" };
  project.write(
    "net.ts",
    `// A network.\n${project.read("net.ts").replace("({ weights, x, t })", "({ weights, x,  t })")}`,
  );
  assertEquals(await states(), cached);
});

Deno.test("what is wrong with a definition is said with its place before anything runs", async () => {
  await using project = ownProject();
  const wrong = OWN_SCIENCE.replace("./net.ts, width", "./net.ts, witdh").replace("./euler.ts, steps: 5", "./flow.ts");
  project.write("p.yaml", wrong);
  const refused = await project.cli(["run", "p.yaml"]);
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.stderr, 'p.yaml:11:32: error: unknown key "witdh" in stages.train.with.model');
  assertStringIncludes(refused.stderr, 'did you mean "width"?');
  assertStringIncludes(refused.stderr, "./flow.ts is a definition of a path; sampler takes a sampler");
  assertEquals(project.exists("outputs"), false);
});
