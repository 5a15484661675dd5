import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { selectStages } from "../../../../../engine/pipeline/pipeline.ts";
import { endStates, planIn, planned, runIn } from "../../support/reach.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { bad, good } from "./load_files.ts";

const PIPELINE = `name: p
vars: { all: false }
stages:
  s: { uses: source }
  t: { uses: source, when: "\${vars.all}", with: { text: t } }
  one: { uses: mix, inputs: { one: t } }
  after: { uses: mix, inputs: { one: one } }
  list: { uses: mix, inputs: { from: [s, t] }, needs: [t, s] }
  last: { uses: mix, inputs: { from: [t] } }
`;

Deno.test("a stage whose when is false is left out with what reads it; lists keep what is left, needs do not wait", async () => {
  const pipeline = await good({ "p.yaml": PIPELINE });
  assertEquals([...pipeline.stages.keys()], ["s", "list"]);
  assertEquals(pipeline.stages.get("list")!.inputs["from"]!.map(({ stage }) => stage), ["s"]);
  assertEquals(pipeline.stages.get("list")!.needs, ["s"]);
  assertEquals([...pipeline.leftOut.keys()].sort(), ["after", "last", "one", "t"]);
  assertStringIncludes(pipeline.leftOut.get("t")!, "its when is false");
  assertStringIncludes(pipeline.leftOut.get("t")!, "${vars.all}");
  assertEquals(pipeline.leftOut.get("after"), 'it reads "one", which is left out');
  const [problem] = selectStages(pipeline, ["after"]).problems;
  assertStringIncludes(problem!.message, 'stage "after" is left out: it reads "one"');

  const whole = await good({ "p.yaml": PIPELINE }, { overrides: ["vars.all=true"] });
  assertEquals([...whole.stages.keys()].sort(), ["after", "last", "list", "one", "s", "t"]);
  assertEquals(whole.leftOut.size, 0);
});

Deno.test("children of a matrix are left out each for itself, by value", async () => {
  const pipeline = await good({
    "p.yaml": `name: p
stages:
  s: { uses: source, matrix: { text: [a, b, c] }, with: { text: "\${matrix.text}" } }
  m: { uses: mix, inputs: { one: s }, when: { value: "\${matrix.text}", in: [a, c] } }
  all: { uses: mix, inputs: { from: m } }
`,
  });
  assertEquals(pipeline.families.get("m"), ["m~text=a", "m~text=c"]);
  assertEquals(pipeline.stages.get("all")!.inputs["from"]!.map(({ stage }) => stage), ["m~text=a", "m~text=c"]);
  assertEquals([...pipeline.leftOut.keys()], ["m~text=b"]);
  assertStringIncludes(selectStages(pipeline, ["m~text=b"]).problems[0]!.message, "is left out");
});

Deno.test("a condition that is none is refused, and so is a pipeline of which nothing is left", async () => {
  const [wrong] = await bad({ "p.yaml": "name: p\nstages: { s: { uses: source, when: maybe } }" });
  assertStringIncludes(formatDiagnostic(wrong!), "stages.s.when");
  const [empty] = await bad({ "p.yaml": "name: p\nstages: { s: { uses: source, when: false } }" });
  assertStringIncludes(formatDiagnostic(empty!), "no stages");
});

Deno.test("needs wait for stages, all children of a matrix or those that go together, and read nothing", async () => {
  const pipeline = await good({
    "p.yaml": `name: p
stages:
  m: { uses: mix, needs: s }
  k: { uses: mix, inputs: { one: t }, needs: [s] }
  s: { uses: source, matrix: { x: [a, b] }, with: { text: "\${matrix.x}" } }
  t: { uses: source, matrix: { x: [a, b] }, with: { text: "t\${matrix.x}" } }
  w: { uses: walk, with: { steps: 5 } }
  v: { uses: mix, needs: w@3 }
`,
  });
  assertEquals(pipeline.stages.get("m")!.needs, ["s~x=a", "s~x=b"]);
  assertEquals(pipeline.stages.get("m")!.inputs, {});
  assertEquals(pipeline.stages.get("k~x=b")!.needs, ["s~x=b"]);
  assertEquals(pipeline.stages.get("v")!.needs, ["w@3"]);
  const order = [...pipeline.stages.keys()];
  assertEquals(order.indexOf("s~x=b") < order.indexOf("m"), true);
  assertEquals(order.indexOf("w@3") < order.indexOf("v"), true);
});

Deno.test("needs are in no key: with them or without, the result is the same and nothing is to do", async () => {
  await using folder = await makeTempFolder();
  const yaml = (more = "") => `name: p\nstages:\n  s: { uses: source }\n  m: { uses: mix${more} }\n`;
  await runIn(folder.path, yaml());
  const run = await runIn(folder.path, yaml(", needs: s"));
  assertEquals([endStates(run), run.runId], ["m: cached, s: cached", undefined]);
  // The stage waits for a stage without a result, and its own state stays the same.
  assertEquals(
    planned(await planIn(folder.path, yaml(", needs: s").replace("source }", "source, with: { text: x } }"))),
    "s: run (param), m: cached",
  );
});

const REFUSED = {
  "an unknown stage": ["needs: [ss]", 'no stage "ss"'],
  "an output": ["needs: s.out", "needs waits for whole stages"],
  "itself": ["needs: m", "in a cycle"],
  "text that is no reference": ['needs: ["../s"]', "not a reference"],
} as const;

for (const [what, [needs, message]] of Object.entries(REFUSED)) {
  Deno.test(`needs that name ${what} are refused`, async () => {
    const found = await bad({ "p.yaml": `name: p\nstages:\n  s: { uses: source }\n  m: { uses: mix, ${needs} }` });
    const text = found.map((one) => formatDiagnostic(one)).join("\n");
    assertStringIncludes(what === "itself" ? text.replace("reads its own output", "in a cycle") : text, message);
  });
}

Deno.test("seeds of stages and of a matrix take the place of the pipeline's, for what draws random numbers alone", async () => {
  const own = await good({ "p.yaml": "name: p\nseed: 3\nstages: { m: { uses: mix, seed: 8 }, n: { uses: mix } }" });
  assertEquals([...own.stages.values()].map(({ seed }) => seed), [8, 3]);
  const swept = await good({
    "p.yaml": `name: p
seed: "\${matrix.seed}"
matrix: { seed: [1, 2] }
stages:
  s: { uses: source }
  m: { uses: mix, inputs: { one: s } }
`,
  });
  assertEquals([...swept.stages.keys()], ["s", "m~seed=1", "m~seed=2"]);
  assertEquals(swept.stages.get("m~seed=2")!.seed, 2);
  const local = await good({
    "p.yaml": 'name: p\nstages: { m: { uses: mix, matrix: { seed: [4, 5] }, seed: "${matrix.seed}" } }',
  });
  assertEquals([...local.stages.values()].map(({ seed }) => seed), [4, 5]);
});
