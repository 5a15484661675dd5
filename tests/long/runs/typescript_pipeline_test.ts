import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertNothingToDo, finalDigests, runAndCheckPlan } from "../../support/check_plan.ts";
import { Project } from "../../support/project.ts";

const YAML = `name: demo
vars: { amount: 2 }
stages:
  a: { uses: ./cook.ts, with: { text: hello, amount: "\${vars.amount}" } }
  b: { uses: ./cook.ts, inputs: { from: [a] } }
`;

const SCRIPT = `import { definePipeline } from "noiseline";

export default definePipeline({
  name: "demo",
  vars: { amount: 2 },
  stages: {
    a: { uses: "./cook.ts", with: { text: "hello", amount: "\${vars.amount}" } },
    b: { uses: "./cook.ts", inputs: { from: ["a"] } },
  },
});
`;

Deno.test("run does nothing when a pipeline in TypeScript says what one in YAML said", async () => {
  await using project = new Project({ stages: ["cook"], files: { "p.yaml": YAML, "p.ts": SCRIPT } });
  assertEquals((await runAndCheckPlan(project, ["p.yaml"])).ran, ["a", "b"]);
  await assertNothingToDo(project, ["p.ts"]);
  assertEquals(await finalDigests(project, ["p.ts"]), await finalDigests(project, ["p.yaml"]));
  assertEquals(project.read("outputs/demo/a/text.txt"), "hello 2 0\n");

  const set = await runAndCheckPlan(project, ["p.ts", "--set", "vars.amount=3", "--set", "seed=7"]);
  assertEquals(set.ran, ["a", "b"]);
  assertEquals(project.read("outputs/demo/a/text.txt"), "hello 3 7\n");
});

Deno.test("run names the file when a pipeline in TypeScript is broken", async () => {
  await using project = new Project({
    files: {
      "throws.ts": "throw new Error('no mood');\nexport default {};",
      "wrong.ts": 'export default { name: "demo", stages: { a: { uses: "schedul" } } };',
    },
  });
  const [throws, wrong] = await Promise.all([project.cli(["run", "throws.ts"]), project.cli(["run", "wrong.ts"])]);
  assertEquals([throws.code, wrong.code], [2, 2]);
  assertStringIncludes(throws.stderr, "throws.ts");
  assertStringIncludes(throws.stderr, "no mood");
  assertStringIncludes(wrong.stderr, 'did you mean "schedule"?');
  assertEquals(project.list("."), ["deno.json", "throws.ts", "wrong.ts"]);
});

Deno.test("run keeps results in the given folder when there is a --store", async () => {
  await using project = new Project({
    stages: ["cook"],
    files: { "sub/p.yaml": YAML.replaceAll("./cook", "../cook") },
  });
  await runAndCheckPlan(project, ["sub/p.yaml", "--store", "elsewhere/store"]);
  assertEquals(project.list("elsewhere"), ["outputs", "store"]);
  assertEquals(project.list("."), ["cook.ts", "deno.json", "elsewhere", "sub"]);
  // Without the option, the store lies beside the nearest deno.json and has no results of the other store.
  assertEquals((await runAndCheckPlan(project, ["sub/p.yaml"])).ran, ["a", "b"]);
  assertEquals(project.list("."), [".noiseline", "cook.ts", "deno.json", "elsewhere", "outputs", "sub"]);
});

Deno.test("run keeps results beside the pipeline when there is no deno.json above it", async () => {
  await using project = new Project({
    bare: true,
    stages: ["cook"],
    files: { "sub/p.yaml": YAML.replaceAll("./cook", "../cook") },
  });
  // In that case the project consists of the pipeline's folder only, and its code lies outside.
  const runOnly = ["a", "b"].map((stage) => `--grant=${stage}:read=${Deno.realPathSync(project.path("cook.ts"))}`);
  await runAndCheckPlan(project, ["sub/p.yaml"], { runOnly });
  assertEquals(project.list("."), [".config", "cook.ts", "sub"]);
  assertEquals(project.list("sub"), [".noiseline", "outputs", "p.yaml"]);
});

Deno.test("run works when folders and files have names with spaces, quotes and other letters", async () => {
  await using project = new Project({
    stages: ["cook"],
    files: {
      "o d/f # %20ü/p q.yaml": `name: demo
stages:
  a: { uses: "../../cook.ts", with: { data: "d a't'a.txt" } }
  b: { uses: "../../cook.ts", inputs: { from: [a] } }
`,
      "o d/f # %20ü/d a't'a.txt": "odd",
    },
  });
  const { ran } = await runAndCheckPlan(project, ["o d/f # %20ü/p q.yaml", "--store", "s t'o#re/s"]);
  assertEquals(ran, ["a", "b"]);
  assertEquals(project.read("s t'o#re/outputs/demo/b/text.txt"), " 1 0\n 1 0\nodd\n\n");
});
