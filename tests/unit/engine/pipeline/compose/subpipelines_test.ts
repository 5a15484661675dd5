import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { selectStages } from "../../../../../engine/pipeline/pipeline.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { bad, good, loadFiles } from "./load_files.ts";
import { countCalls } from "../../../../support/work.ts";

const INNER = `name: inner
vars: { n: 5, text: low }
inputs: { start: where it begins }
outputs: { end: w, first: s }
stages:
  s: { uses: source, with: { text: "\${vars.text}" } }
  w: { uses: walk, inputs: { from: inputs.start }, with: { steps: "\${vars.n}" } }
  m: { uses: mix, inputs: { from: [s, w, inputs.start] } }
`;

const OUTER = `name: p
vars: { n: 7 }
stages:
  last: { uses: mix, inputs: { one: part.end }, needs: part }
  s: { uses: source }
  part: { uses: ./parts/inner.yaml, inputs: { start: s }, with: { n: "\${vars.n}" } }
`;

const files = (outer = OUTER, inner = INNER) => ({ "p.yaml": outer, "parts/inner.yaml": inner });
const stagesOf = (inputs: Record<string, readonly { stage: string }[]>, port: string) =>
  inputs[port]!.map(({ stage }) => stage);

Deno.test("a pipeline as a stage: its stages stand for it, read what it is given, and show what it names", async () => {
  const pipeline = await good(files());
  assertEquals([...pipeline.stages.keys()].sort(), ["last", "part/m", "part/s", "part/w", "s"]);
  const walk = pipeline.stages.get("part/w")!;
  assertEquals(walk.params["steps"], 7);
  assertEquals(stagesOf(walk.inputs, "from"), ["s"]);
  assertEquals(stagesOf(pipeline.stages.get("part/m")!.inputs, "from"), ["part/s", "part/w", "s"]);
  assertEquals(pipeline.stages.get("part/s")!.params["text"], "low");
  const last = pipeline.stages.get("last")!;
  assertEquals(stagesOf(last.inputs, "one"), ["part/w"]);
  assertEquals([...last.needs].sort(), ["part/m", "part/s", "part/w"]);
  assertEquals([...selectStages(pipeline, ["part"]).stages].sort(), ["part/m", "part/s", "part/w"]);
  assertEquals(selectStages(pipeline, ["part/w"]).stages, ["part/w"]);
});

Deno.test("a pipeline as a stage may be named by its whole path", async () => {
  await using folder = await makeTempFolder();
  await Deno.writeTextFile(`${folder.path}/inner.yaml`, INNER);
  const pipeline = await good({ "p.yaml": OUTER.replace("./parts", folder.path) });
  assert(pipeline.stages.has("part/w"));
});

Deno.test("values of an inner pipeline tell their origin through both files, also when they are set", async () => {
  const pipeline = await good(files());
  const chain = pipeline.origins.explain(["stages", "part/w", "with", "steps"]).join(" | ");
  for (const part of ["inner.yaml:7:", "${vars.n}", "p.yaml:6:", "p.yaml:2:"]) assertStringIncludes(chain, part);
  const low = pipeline.origins.explain(["stages", "part/s", "with", "text"]).join(" | ");
  assertStringIncludes(low, "inner.yaml:2:");
  const set = await good(files(), { overrides: ["part.n=9"] });
  assertEquals(set.stages.get("part/w")!.params["steps"], 9);
  assertStringIncludes(set.origins.explain(["stages", "part/w", "with", "steps"]).join(), "--set part.n=9");
});

Deno.test("a matrix on a pipeline that is a stage reaches the stages that differ, and those that read them", async () => {
  const outer = OUTER.replace('with: { n: "${vars.n}" }', 'with: { n: "${matrix.n}" }, matrix: { n: [2, 3] }');
  const pipeline = await good(files(outer));
  assertEquals([...pipeline.stages.keys()].sort(), [
    "last~n=2",
    "last~n=3",
    "part/m",
    "part/s",
    "part/w~n=2",
    "part/w~n=3",
    "s",
  ]);
  assertEquals(stagesOf(pipeline.stages.get("part/m")!.inputs, "from"), ["part/s", "part/w~n=2", "part/w~n=3", "s"]);
  assertEquals(stagesOf(pipeline.stages.get("last~n=3")!.inputs, "one"), ["part/w~n=3"]);
  assertEquals([...selectStages(pipeline, ["part"]).stages].sort(), ["part/m", "part/s", "part/w~n=2", "part/w~n=3"]);
});

Deno.test("inner pipelines nest, hand on what they are given, and take their paths from their own folders", async () => {
  const pipeline = await good({
    "p.yaml": `name: p
stages:
  a: { uses: source }
  b: { uses: ./x/middle.yaml, inputs: { given: a }, seed: 4 }
  c: { uses: mix, inputs: { one: b.out } }
`,
    "x/middle.yaml": `name: middle
inputs: { given: anything }
outputs: { out: deep.end }
stages:
  deep: { uses: ./y/inner.yaml, inputs: { start: inputs.given } }
  other: { uses: mix, inputs: { one: deep.first } }
`,
    "x/y/inner.yaml": INNER.replace('{ text: "${vars.text}" }', "{ file: ./here.txt }"),
  });
  assertEquals([...pipeline.stages.keys()].sort(), ["a", "b/deep/m", "b/deep/s", "b/deep/w", "b/other", "c"]);
  assertEquals(stagesOf(pipeline.stages.get("c")!.inputs, "one"), ["b/deep/w"]);
  assertEquals(stagesOf(pipeline.stages.get("b/deep/w")!.inputs, "from"), ["a"]);
  assertEquals(stagesOf(pipeline.stages.get("b/other")!.inputs, "one"), ["b/deep/s"]);
  assertEquals(pipeline.stages.get("b/deep/s")!.params["file"], "./x/y/here.txt");
  assertEquals(pipeline.stages.get("b/other")!.seed, 4);
  assertEquals(pipeline.stages.get("c")!.seed, 0);
});

Deno.test("a pipeline used twice shares nothing but results; when leaves out all of it", async () => {
  const outer = `name: p
stages:
  s: { uses: source }
  one: { uses: ./parts/inner.yaml, inputs: { start: s } }
  two: { uses: ./parts/inner.yaml, inputs: { start: one.end }, with: { n: 2 } }
  three: { uses: ./parts/inner.yaml, inputs: { start: two@1.end }, when: false }
`;
  const pipeline = await good(files(outer));
  assertEquals(stagesOf(pipeline.stages.get("two/w")!.inputs, "from"), ["one/w"]);
  assertEquals(pipeline.stages.size, 7);
  assertStringIncludes(pipeline.leftOut.get("three/w")!, "p.yaml:6:");
  assertStringIncludes(selectStages(pipeline, ["three"]).problems[0]!.message, "left out");
  const variant = await good(files(outer.replace("when: false", "with: { n: 3 }")));
  assertEquals(stagesOf(variant.stages.get("three/w")!.inputs, "from"), ["two/w@1"]);
});

Deno.test("needs and when of a pipeline that is a stage are for its stages beside their own, and so is its seed", async () => {
  const inner = `name: inner
stages:
  s: { uses: source }
  m: { uses: mix, needs: s }
  k: { uses: mix, when: true, seed: 9 }
  never: { uses: mix, when: false }
`;
  const outer = `name: p
vars: { on: true }
stages:
  first: { uses: source }
  part: { uses: ./parts/inner.yaml, needs: first, when: "\${vars.on}", seed: 5 }
`;
  const pipeline = await good(files(outer, inner));
  const said = [...pipeline.stages].map(([id, { needs, seed }]) => [id, { needs: [...needs].sort(), seed }]);
  assertEquals(Object.fromEntries(said), {
    first: { needs: [], seed: 0 },
    "part/s": { needs: ["first"], seed: 0 },
    "part/m": { needs: ["first", "part/s"], seed: 5 },
    "part/k": { needs: ["first"], seed: 9 },
  });
  assertEquals([...pipeline.leftOut.keys()], ["part/never"]);
  const off = await good(files(outer, inner), { overrides: ["vars.on=false"] });
  assertEquals([...off.stages.keys()], ["first"]);
  assertEquals([...off.leftOut.keys()].sort(), ["part/k", "part/m", "part/never", "part/s"]);
});

const REFUSED: [what: string, files: Record<string, string>, message: string, place: string][] = [
  ["an unknown var", files(OUTER.replace("with: { n:", "with: { nn:")), 'has no var "nn"', "p.yaml:6:"],
  ["an unknown input", files(OUTER.replace("{ start: s }", "{ strat: s }")), 'has no input "strat"', "p.yaml:6:"],
  ["a missing input", files(OUTER.replace("inputs: { start: s }, ", "")), 'needs input "start"', "p.yaml:6:"],
  ["an unknown output", files(OUTER.replace("part.end", "part.ende")), 'has no output "ende"', "p.yaml:4:"],
  ["an output left open", files(OUTER.replace("part.end", "part")), "part.end or part.first", "p.yaml:4:"],
  ["a key without meaning", files(OUTER.replace("uses: ./p", "timeout: 5m, uses: ./p")), '"timeout"', "p.yaml:6:"],
  [
    "a matrix that nothing uses",
    files(OUTER.replace("uses: ./p", "matrix: { q: [1] }, uses: ./p")),
    "differs",
    "p.yaml",
  ],
  ["no such file", { "p.yaml": OUTER }, "inner.yaml", "p.yaml:6:"],
  ["a wrong param inside", files(OUTER, INNER.replace("steps:", "stepps:")), "stepps", "inner.yaml:7:"],
  ["a wrong value from outside", files(OUTER.replace("n: 7", "n: many")), "steps", "inner.yaml:7:"],
  ["an unknown stage inside", files(OUTER, INNER.replace("[s, w,", "[s, x,")), 'no stage "part/x"', "inner.yaml:8:"],
  [
    "an input that it does not have",
    files(OUTER, INNER.replace("inputs.start }", "inputs.begin }")),
    "begin",
    "inner.yaml:7:",
  ],
  [
    "itself",
    files(OUTER, INNER.replace("{ uses: source, with", "{ uses: ./inner.yaml, with")),
    "use each other",
    "inner.yaml:6:",
  ],
  ["being run by itself", { "p.yaml": INNER }, "needs start", "p.yaml:3:"],
];

for (const [what, given, message, place] of REFUSED) {
  Deno.test(`a pipeline as a stage with ${what} is refused`, async () => {
    const text = (await bad(given)).map((one) => formatDiagnostic(one)).join("\n");
    assertStringIncludes(text, message);
    assertStringIncludes(text, place);
  });
}

Deno.test("pipelines that use each other many times are refused where they become too much", async () => {
  const level = (next: string) =>
    `name: p\nstages:\n${Array.from({ length: 10 }, (_, i) => `  x${i}: { uses: ${next} }\n`).join("")}`;
  const files: Record<string, string> = {
    "p.yaml": level("./a0.yaml"),
    "a5.yaml": "name: p\nstages: { s: { uses: source } }\n",
  };
  for (let i = 0; i < 5; i++) files[`a${i}.yaml`] = level(`./a${i + 1}.yaml`);
  // Only the first 20,000 of the 10^6 stages, and of the 1.1 million that are pipelines, are read.
  let problems: Awaited<ReturnType<typeof bad>> = [];
  const calls = await countCalls(async () => problems = await bad(files));
  const [problem, ...others] = problems;
  assertEquals([problem!.message, others], ["the pipeline grows to more than 20000 stages", []]);
  assertStringIncludes(formatDiagnostic(problem!), "a4.yaml:");
  assert(calls < 10_000_000, `${calls} calls`);
});

Deno.test("an inner file is read once, its unknown keys are told, and its problems are one message each", async () => {
  const outer = `name: p\nstages:\n${Array.from({ length: 300 }, (_, i) => `  x${i}: { uses: ./in.yaml }\n`).join("")}`;
  const inner = "name: p\nsed: 1\nstages: { s: { uses: source, with: { txet: 1 } } }\n";
  const problems = await bad({ "p.yaml": outer, "in.yaml": inner });
  assertEquals(problems.map(({ message, fix }) => `${message}, ${fix}`), [
    'unknown key "sed" in ./in.yaml, did you mean "seed"?',
    'unknown key "txet" in stages.x0/s.with, did you mean "text"?',
  ]);
});

Deno.test("a chain of pipelines goes as deep as ids have room, and says where it ends", async () => {
  const chain = (length: number) => {
    const files: Record<string, string> = { "p.yaml": "name: p\nstages: { s: { uses: ./a1.yaml } }\n" };
    for (let i = 1; i < length; i++) files[`a${i}.yaml`] = `name: p\nstages: { s: { uses: ./a${i + 1}.yaml } }\n`;
    return { ...files, [`a${length - 1}.yaml`]: "name: p\nstages: { s: { uses: source } }\n" };
  };
  assertEquals([...(await good(chain(32))).stages.keys()], [Array(32).fill("s").join("/")]);
  const [problem, ...others] = await bad(chain(33));
  assertEquals([problem!.message, others], ["more than 32 pipelines are nested", []]);
  assertStringIncludes(formatDiagnostic(problem!), "a31.yaml:2:");
});

Deno.test("pipelines that use each other are told once for each file that closes a circle", async () => {
  const names = ["p", "a", "b", "c", "d"];
  const stages = names.slice(1).map((name) =>
    `  ${name}1: { uses: ./${name}.yaml }\n  ${name}2: { uses: ./${name}.yaml }\n`
  );
  const files = Object.fromEntries(names.map((name) => [`${name}.yaml`, `name: p\nstages:\n${stages.join("")}`]));
  const messages = (await bad(files)).map(({ message }) => message);
  // Each of the four files may use each of the four, including itself.
  assertEquals(messages.length, 16);
  assertEquals(messages[0], "pipelines use each other: a.yaml -> a.yaml");
});

const PART = `name: part
vars: { n: 5 }
inputs: { start: where it begins, more: what is mixed in }
outputs: { end: w.out, all: m }
stages:
  w: { uses: walk, inputs: { from: inputs.start }, with: { steps: "\${vars.n}" } }
  m: { uses: mix, inputs: { from: [w, inputs.more], one: inputs.start }, matrix: { text: [a, b] }, with: { text: "\${matrix.text}" } }
`;

/** Each mistake as the text that it replaces, its replacement, and the message of its error. */
const MISTAKES: readonly (readonly [from: string, to: string, message: RegExp])[] = [
  ["inputs.start }", "inputs.strat }", /"inputs\.strat": the pipeline is not given an input "strat"/],
  ["inputs.more]", "inputs.moer]", /"inputs\.moer": the pipeline is not given an input "moer"/],
  ["[w, ", "[v, ", /there is no stage "(use\/)?v"/],
  ["[w, ", "[w.uot, ", /stage "(use\/)?w" \(walk\) has no output "uot"/],
  ["from: inputs.start", "form: inputs.start", /walk has no input "form"/],
  ["steps:", "txet: b, steps:", /^unknown key "txet" in stages\.(use\/)?w\.with$/],
  ['"${vars.n}"', "0", /stages\.(use\/)?w\.with\.steps is not valid/],
  ["${vars.n}", "${vars.m}", /vars\.m/],
  ["uses: walk", "uses: wakl", /wakl/],
  ["w.out", "v.out", /there is no stage "(use\/)?v"/],
  ["w.out", "w.uot", /stage "(use\/)?w"( \(walk\))? has no output "uot"/],
];

Deno.test("a part of other pipelines is checked alone as it is where it is used, but for what it is given", async () => {
  const yaml =
    "name: p\nstages:\n  a: { uses: source }\n  use: { uses: ./part.yaml, inputs: { start: a, more: a } }\n" +
    "  read: { uses: mix, inputs: { from: [use.all], one: use.end } }\n";
  const alone = async (part: string) => await loadFiles({ "p.yaml": part }, { allowMissingInputs: true });
  const found = await alone(PART);
  assert(found.ok, JSON.stringify(found));
  assertEquals(found.value.given, ["start", "more"]);
  assertEquals([...found.value.stages.keys()].sort(), ["m~text=a", "m~text=b", "w"]);
  await good({ "p.yaml": yaml, "part.yaml": PART });
  // By itself, the inner pipeline still cannot be run, and that is the only error.
  assertEquals((await bad({ "p.yaml": PART })).map(({ message }) => message), ["this pipeline needs start, more"]);
  for (const [from, to, message] of MISTAKES) {
    const part = PART.replace(from, to);
    const within = await bad({ "p.yaml": yaml, "part.yaml": part });
    const own = await alone(part);
    assert(!own.ok, `${to} loads`);
    for (const diagnostics of [within, own.diagnostics]) {
      assert(diagnostics.some((one) => message.test(one.message)), `${to}: ${JSON.stringify(diagnostics)}`);
    }
    assertEquals(own.diagnostics.length, 1, `${to}: ${JSON.stringify(own.diagnostics)}`);
  }
});
