import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Json } from "../support/cli_process.ts";
import { Project } from "../support/project.ts";

const BASE = `name: base
vars: { rate: 1 }
stages:
  top: { uses: ./cook.ts, with: { text: top, data: data.txt } }
  sweep:
    uses: ./cook.ts
    matrix: { amount: { low: 1, high: "\${vars.rate}" } }
    inputs: { from: top }
    with: { amount: "\${matrix.amount}" }
  last: { uses: ./cook.ts, inputs: { from: sweep } }
`;
const PIPELINE = `name: demo
extends: ./base.yaml
profiles:
  big: { vars: { rate: 9 } }
stages:
  last: { with: { text: last } }
`;

Deno.test("why follows a value through profile, files, vars and axes, and a stage's code by its modules", async () => {
  await using project = new Project({
    stages: ["cook"],
    files: { "base.yaml": BASE, "p.yaml": PIPELINE, "data.txt": "1", "helper.ts": "export const x = 1;\n" },
  });
  project.write("cook.ts", `import "./helper.ts";\n${project.read("cook.ts")}`);
  assertEquals((await project.cli(["run", "p.yaml"])).code, 0);

  const why = await project.cli(["why", "p.yaml", "sweep", "--profile", "big", "--json"]);
  assertEquals([why.code, why.stderr], [0, ""]);
  const { stages, before, follow, cost } = why.json;
  assertEquals(stages.map(({ id, state }: Json) => `${id} ${state}`), [
    "sweep~amount=low cached",
    "sweep~amount=high run",
  ]);
  assertEquals([before, follow.certain, follow.mayRun], [[], [], ["last"]]);
  const [cause] = stages[1].causes;
  assertEquals([cause.code, cause.name, cause.from, cause.to], ["param", "amount", 1, 9]);
  assertEquals(cause.origin, [
    "base.yaml:9:21",
    "${matrix.amount} = base.yaml:7:39, ${vars.rate} = p.yaml:4:24 (profile big), overriding base.yaml:2:15",
  ]);
  assertEquals(Object.keys(cost.stages), ["sweep~amount=high", "last"]);
  // With other params, a custom stage may take any time.
  assertEquals(cost.total.unknown, ["sweep~amount=high", "last"]);

  project.write("helper.ts", "export const x = 2;\n");
  project.write("data.txt", "22");
  const text = await project.cli(["why", "p.yaml", "last"]);
  assertEquals([text.code, text.stderr], [0, ""]);
  for (const line of ["changed: helper.ts", "waits for top (run)", `2 B, ${project.path("data.txt")}`]) {
    assertStringIncludes(text.stdout, line);
  }
  assertEquals(text.stdout.includes("\u001b["), false);
});
