import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Json } from "../../support/cli_process.ts";
import { OWN_SCIENCE, ownProject } from "../../support/own_science.ts";

Deno.test("a pipeline of four definitions of one's own runs, and comments rerun nothing", async () => {
  await using project = ownProject();
  const ran = await project.cli(["run", "p.yaml"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  const config = JSON.parse(project.read("outputs/demo/train/checkpoint/config.json"));
  // A checkpoint names the definitions that it was made with, and contains none of them.
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

Deno.test("definitions that answer nothing, shout or reach too far are refused in one line each", async () => {
  await using project = ownProject();
  const path = (first: string) =>
    `import { definePath } from "noiseline";
import { z } from "zod";
${first}
export default definePath({ params: z.strictObject({}), signal: (u) => 1 - u, noise: (u) => u });
`;
  const files = {
    silent: path("(Object.prototype as any).toJSON = () => undefined;"),
    address: path('console.error("    at f (file://evil/x:1:2)"); throw new Error("a\\n" + "b".repeat(5_000));'),
    frames: path('console.error("    at " + "file:".repeat(200_000)); throw new Error("c");'),
    within: path(`import "${import.meta.resolve("../../../engine/keys/keys.ts")}";`),
  };
  const stages = Object.entries(files).map(([name, text]) => {
    project.write(`${name}.ts`, text);
    return `  ${name}: { uses: schedule, with: { uses: ./${name}.ts } }\n`;
  });
  project.write("p.yaml", `name: p\nstages:\n${stages.join("")}`);
  const { code, stderr } = await project.cli(["validate", "p.yaml"]);
  assertEquals(code, 2, stderr);
  const errors = stderr.split("\n").filter((line) => line.includes("error: "));
  assertEquals(errors.map((line) => /\.\/(\w+)\.ts/.exec(line)?.[1]), Object.keys(files));
  assertEquals(stderr.includes("internal error"), false);
});

Deno.test("compare names the files that were exchanged for each other", async () => {
  await using project = ownProject();
  project.write("again.ts", `${project.read("flow.ts")}globalThis.again = 1;\n`);
  project.write(
    "two.yaml",
    `name: two
stages:
  path: { uses: schedule, matrix: { by: { a: ./flow.ts, b: ./again.ts } }, with: { uses: "\${matrix.by}", timesteps: 50 } }
`,
  );
  const ran = await project.cli(["run", "two.yaml"]);
  assertEquals(ran.code, 0, ran.stdout + ran.stderr);
  assertEquals((await project.cli(["compare", "two.yaml", "--json"])).json.params, [
    { path: "path.uses", values: ["./flow.ts", "./again.ts"] },
  ]);
});
