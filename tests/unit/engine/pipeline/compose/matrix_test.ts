import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { Problems } from "../../../../../engine/diagnostic/problems.ts";
import { childSuffix, parseMatrix } from "../../../../../engine/pipeline/compose/axes.ts";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { type Pipeline, selectStages } from "../../../../../engine/pipeline/pipeline.ts";
import { loadGood, problemsOf } from "../../support/load.ts";
import { bad, good as goodFiles, loadFiles } from "./load_files.ts";
import { planIn, runIn } from "../../support/reach.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { growthOf } from "../../../../support/work.ts";

async function good(stages: string, head = "", overrides: readonly string[] = []): Promise<Pipeline> {
  await using folder = await makeTempFolder();
  return await loadGood(folder.path, `name: p\n${head}stages:\n${stages}`, overrides);
}

const ids = (pipeline: Pipeline) => [...pipeline.stages.keys()];
const reads = (pipeline: Pipeline, id: string) =>
  Object.values(pipeline.stages.get(id)!.inputs).flat().map(({ stage }) => stage);

Deno.test("a matrix makes one stage for each combination, named by its values", async () => {
  const pipeline = await good(`
  s:
    uses: source
    matrix: { text: [x, y], added: [1, 0.25] }
    with: { text: "\${matrix.text}!", added: "\${matrix.added}", note: "$\${matrix.text}" }`.replace("0.25", "2"));
  assertEquals(ids(pipeline), ["s~added=1~text=x", "s~added=2~text=x", "s~added=1~text=y", "s~added=2~text=y"]);
  const { params } = pipeline.stages.get("s~added=2~text=y")!;
  assertEquals([params["text"], params["added"], params["note"]], ["y!", 2, "${matrix.text}"]);
});

Deno.test("stages that read a matrix get its axes, same axes go together, lists gather", async () => {
  const pipeline = await good(`
  a: { uses: source, matrix: { t: [x, y] }, with: { text: "\${matrix.t}" } }
  b: { uses: source, matrix: { t: [x, y], u: [1, 2] }, with: { text: "\${matrix.t}\${matrix.u}" } }
  one: { uses: walk, inputs: { from: b }, with: { steps: 3 } }
  all: { uses: mix, inputs: { from: [a, one@2] } }
  zip: { uses: mix, matrix: { t: [y] }, inputs: { one: b, from: a } }`);
  assertEquals(reads(pipeline, "one~t=y~u=2"), ["b~t=y~u=2"]);
  assertEquals(reads(pipeline, "all"), [
    ...["a~t=x", "a~t=y"],
    ...["one~t=x~u=1@2", "one~t=x~u=2@2", "one~t=y~u=1@2", "one~t=y~u=2@2"],
  ]);
  assertEquals(ids(pipeline).filter((id) => id.startsWith("zip")), ["zip~t=y~u=1", "zip~t=y~u=2"]);
  // The list contains the inputs that belong to the child: of `a` the child with the same t.
  assertEquals(reads(pipeline, "zip~t=y~u=2"), ["b~t=y~u=2", "a~t=y"]);
});

Deno.test("references name children, whole or in part", async () => {
  const pipeline = await good(`
  b: { uses: source, matrix: { t: [x, y], u: [0.5, 1e-7] } }
  part: { uses: walk, inputs: { from: b~u=0.5.out }, with: { steps: 3 } }
  whole: { uses: walk, inputs: { from: b~u=1e-7~t=y }, with: { steps: 3 } }
  next: { uses: mix, inputs: { one: part~t=x@2.out } }`);
  assertEquals(reads(pipeline, "part~t=x"), ["b~t=x~u=0.5"]);
  assertEquals(reads(pipeline, "whole"), ["b~t=y~u=1e-7"]);
  assertEquals(reads(pipeline, "next"), ["part~t=x@2"]);
});

Deno.test("an axis may say after how many steps a stage is read", async () => {
  const pipeline = await good(`
  w: { uses: walk, matrix: { t: [x, y] }, with: { steps: 9 } }
  m: { uses: mix, matrix: { at: [2, 5, 9] }, inputs: { one: "w~t=x@\${matrix.at}.out" } }
  all: { uses: mix, inputs: { from: [m] } }`);
  assertEquals(reads(pipeline, "m~at=5"), ["w~t=x@5"]);
  assertEquals(reads(pipeline, "all"), ["m~at=2", "m~at=5", "m~at=9"]);
  assertEquals(pipeline.stages.get("w~t=x@5")!.extent, 5);
});

Deno.test("a matrix of the pipeline reaches the stages that name its axes, and those that read them", async () => {
  const pipeline = await good(
    `
  data: { uses: source }
  a: { uses: mix, inputs: { one: data }, with: { text: "\${matrix.lr}" } }
  b: { uses: mix, inputs: { one: a }, with: { text: "\${vars.kind}" } }`,
    'matrix: { lr: [p, q], kind: [k, l], exclude: [{ lr: q, kind: l }] }\nvars: { kind: "${matrix.kind}" }\n',
  );
  assertEquals(ids(pipeline), ["data", "a~lr=p", "a~lr=q", "b~kind=k~lr=p", "b~kind=l~lr=p", "b~kind=k~lr=q"]);
  assertEquals(pipeline.stages.get("b~kind=l~lr=p")!.params["text"], "l");
});

Deno.test("include adds combinations, exclude leaves some out, and maps name their values", async () => {
  const pipeline = await good(`
  s:
    uses: source
    matrix:
      v: { small: { text: s, n: 1 }, big: { text: b, n: 2 } }
      t: [1, 2]
      exclude: [{ v: big, t: 1 }]
      include: [{ v: small, t: 9 }]
    with: { text: "\${matrix.v.text}\${matrix.t}", added: "\${matrix.v.n}" }`);
  const texts = ids(pipeline).map((id) => [id, pipeline.stages.get(id)!.params["text"]]);
  assertEquals(texts, [
    ["s~t=1~v=small", "s1"],
    ["s~t=2~v=small", "s2"],
    ["s~t=2~v=big", "b2"],
    ["s~t=9~v=small", "s9"],
  ]);
});

Deno.test("--set reaches all children of a matrix", async () => {
  const stages = `\n  s: { uses: source, matrix: { t: [x, y] }, with: { text: "\${matrix.t}" } }`;
  const pipeline = await good(stages, "", ["s.added=8"]);
  assertEquals(ids(pipeline).map((id) => pipeline.stages.get(id)!.params["added"]), [8, 8]);
});

Deno.test("selectStages() finds all children of a matrix, or those with the values that are named", async () => {
  const pipeline = await good(`
  w: { uses: walk, matrix: { t: [x, y], u: [1, 2] }, with: { steps: 5 } }
  m: { uses: mix, inputs: { from: [w@2] } }`);
  const select = (...names: string[]) => selectStages(pipeline, names).stages;
  assertEquals(select("w").length, 4);
  assertEquals(select("w~u=2", "m"), ["w~t=x~u=2", "w~t=y~u=2", "m"]);
  assertEquals(select("w~u=1~t=x@2"), ["w~t=x~u=1@2"]);
  const { problems } = selectStages(pipeline, ["w~u=3", "nn"]);
  assertEquals(problems.map(({ message }) => message), [
    'pipeline "p" has no stage "w~u=3"',
    'pipeline "p" has no stage "nn"',
  ]);
  const rates = await good(`
  w: { uses: walk, matrix: { t: [1e-3, 2.50] }, with: { steps: "\${matrix.t}" } }`.replace('"\${matrix.t}"', "5"));
  const fixOf = (name: string) => selectStages(rates, [name]).problems[0]!.fix;
  assertEquals(["w~t=1e-3", "w~t=2.50"].map(fixOf), ["use one of: w~t=0.001", 'did you mean "w~t=2.5"?']);
});

const REFUSED: [name: string, stages: string, message: string][] = [
  ["an axis that nobody has", 's: { uses: source, with: { text: "${matrix.t}" } }', "cannot resolve ${matrix.t}"],
  [
    "an axis of another stage",
    's: { uses: source, matrix: { t: [1] }, with: { text: "${matrix.u}" } }',
    'did you mean "t"?',
  ],
  ["a value without a name", "s: { uses: source, matrix: { t: [[1]] } }", "write the axis as a map"],
  ["two values of one name", "s: { uses: source, matrix: { t: [a/b, a-b] } }", "two values of the axis are called a-b"],
  ["an empty axis", "s: { uses: source, matrix: { t: [] } }", "has no values"],
  ["an axis that is no list", "s: { uses: source, matrix: { t: 3 } }", "a list of values"],
  ["a matrix that is no map", "s: { uses: source, matrix: [1] }", "a map of axes to values"],
  ["too many children", `s: { uses: source, matrix: { a: &l [${[...Array(150).keys()]}], b: *l } }`, "22500"],
  [
    "a child that is not there",
    "s: { uses: source, matrix: { t: [x] } }\n  m: { uses: mix, inputs: { one: s~t=y } }",
    'axis "t" has no value y',
  ],
  [
    "a selection of a stage without a matrix",
    "s: { uses: source }\n  m: { uses: mix, inputs: { one: s~t=y } }",
    'there is no stage "s~t=y"',
  ],
  [
    "axes that do not meet",
    "s: { uses: source, matrix: { t: [x] } }\n  m: { uses: mix, matrix: { t: [y] }, inputs: { one: s } }",
    'stage "s" has no child with t=y',
  ],
  [
    "a value that what it reads has not",
    "s: { uses: source, matrix: { t: [1, 2] } }\n  m: { uses: mix, matrix: { t: [2, 3] }, inputs: { one: s } }",
    'stage "s" has no child with t=3',
  ],
  [
    "a child that is written out too",
    "s: { uses: source, matrix: { t: [1, 2] } }\n  s~t=1: { uses: source }",
    'is the id of a child of the matrix of "s"',
  ],
  [
    "two included values of one name",
    "s: { uses: source, matrix: { t: [x], include: [{ t: a b }, { t: a/b }] } }",
    "another value",
  ],
  [
    "a list port that gathers nothing",
    "s: { uses: source, matrix: { t: [1] } }\n  m: { uses: mix, matrix: { t: [2] }, inputs: { from: s } }",
    'no child of "s" goes with ~t=2',
  ],
  [
    "a stage that waits for nothing",
    "s: { uses: source, matrix: { t: [1] } }\n  m: { uses: mix, matrix: { t: [2] }, needs: s }",
    'no child of "s" goes with ~t=2',
  ],
  [
    "a value that names another axis",
    's: { uses: source, matrix: { a: [1], b: { x: "${matrix.a}" } } }',
    "names another axis",
  ],
  [
    "an input that is an expression",
    's: { uses: source, matrix: { t: [s] } }\n  m: { uses: mix, inputs: { one: "${matrix.t}" } }',
    "cannot resolve ${matrix.…} here",
  ],
  [
    "an extent that is no number",
    's: { uses: walk, with: { steps: 3 } }\n  m: { uses: mix, matrix: { t: [s] }, inputs: { one: "s@${matrix.t}" } }',
    "is not a reference",
  ],
  [
    "an extent of an axis that nobody has",
    's: { uses: walk, with: { steps: 3 } }\n  m: { uses: mix, inputs: { one: "s@${matrix.t}" } }',
    "cannot resolve ${matrix.t}",
  ],
  [
    "more combinations than anybody meant",
    `a: { uses: source, matrix: { p: [${[...Array(150).keys()]}], q: [1, 2] } }\n  b: { uses: source, matrix: { r: [${[
      ...Array(150).keys(),
    ]}] }, }\n  m: { uses: mix, inputs: { one: a } , matrix: { r: [${[...Array(150).keys()]}] } }`,
    "too many combinations",
  ],
  [
    "an exclude of a value that is not there",
    "s: { uses: source, matrix: { t: [x], exclude: [{ t: z }] } }",
    "no such value",
  ],
];

for (const [name, stages, message] of REFUSED) {
  Deno.test(`a matrix with ${name} is refused`, async () => {
    const problems = await problemsOf(`name: p\nstages:\n  ${stages}`);
    const said = problems.map((one) => formatDiagnostic(one)).join("\n");
    assertStringIncludes(said, message);
    // Children take the place of the stage, which must not be reported as missing.
    assert(!/there is no stage "[sm]"/.test(said), said);
  });
}

Deno.test("a matrix of the pipeline that a stage's own has nothing in common with is refused", async () => {
  const problems = await problemsOf(
    "name: p\nmatrix: { seed: [1, 2] }\nstages: { s: { uses: source, matrix: { seed: [9] } } }",
  );
  assertStringIncludes(formatDiagnostic(problems[0]!), "no value in common with that of the pipeline");
});

Deno.test("included doubles are one child, axes may be called like an object's own methods, escapes are undone once", async () => {
  const pipeline = await good(`
  s: { uses: source, matrix: { constructor: [1], include: [{ constructor: 2 }, { constructor: 2 }] } }
  m: { uses: mix, inputs: { from: s } }
  one: { uses: mix, inputs: { one: s }, with: { text: "$\${ matrix.x } $$\${vars.y}" } }`);
  assertEquals(reads(pipeline, "m"), ["s~constructor=1", "s~constructor=2"]);
  assertEquals(pipeline.stages.get("one~constructor=2")!.params["text"], "${ matrix.x } $${vars.y}");
});

Deno.test("a kind that the matrix chooses keeps its list ports", async () => {
  const pipeline = await good(`
  s: { uses: source, matrix: { t: [1, 2] } }
  m: { uses: "\${matrix.kind}", matrix: { kind: [mix] }, inputs: { from: s } }`);
  assertEquals(reads(pipeline, "m~kind=mix"), ["s~t=1", "s~t=2"]);
});

Deno.test("children with the same wrong param are one message", async () => {
  const problems = await problemsOf(
    "name: p\nstages: { s: { uses: source, matrix: { t: [0.1, 0.2] }, with: { tekst: 1 } } }",
  );
  assertEquals(problems.length, 1);
});

Deno.test("the names of children do not depend on the order of the axes", () => {
  const axis = fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(axis, axis, (a, b) => {
    const names = (matrix: unknown) => parseMatrix(matrix, [], new Problems())?.map(childSuffix).sort() ?? [];
    assertEquals(names({ a, b }), names({ b, a }));
    assertEquals(names({ a, b }).length, a.length * b.length);
  }));
});

Deno.test("what gathers children reads them by name, numbers by size, however the matrix is written", async () => {
  await using folder = await makeTempFolder();
  const sources = async (axes: string) => {
    const { stages } = await loadGood(
      folder.path,
      `name: p
stages:
  w: { uses: source, matrix: { ${axes} }, with: { text: "\${matrix.n}\${matrix.t}" } }
  all: { uses: mix, inputs: { from: [w] } }
`,
    );
    return stages.get("all")!.inputs["from"]!.map(({ stage }) => stage);
  };
  const wanted = ["w~n=2~t=a", "w~n=2~t=b", "w~n=10~t=a", "w~n=10~t=b"];
  assertEquals(await sources("n: [10, 2], t: [b, a]"), wanted);
  assertEquals(await sources("t: [a, b], n: [2, 10]"), wanted);
});

Deno.test("children keep their results whatever their axes are called; what gathers them keeps its own if their order stays", async () => {
  await using folder = await makeTempFolder();
  const yaml = (n: string, t: string) =>
    `name: p
stages:
  w: { uses: source, matrix: { ${n}: [1, 2], ${t}: [a, b] }, with: { text: "\${matrix.${n}}\${matrix.${t}}" } }
  all: { uses: mix, inputs: { from: [w] } }
`;
  await runIn(folder.path, yaml("n", "t"));
  const states = async (n: string, t: string) => {
    const states = [...await planIn(folder.path, yaml(n, t))].map(([id, { state }]) => [id, state] as const);
    return [states.filter(([id]) => id !== "all").map(([, state]) => state), Object.fromEntries(states)["all"]];
  };
  const restored = Array(4).fill("restore");
  assertEquals(await states("m", "u"), [restored, "cached"]);
  // Ordered by u first, then by v.
  assertEquals(await states("v", "u"), [restored, "run"]);
});

Deno.test("a large matrix takes no more for each child: those that go together, leave much out, or gather too much", async () => {
  const values = (count: number) => `[${Array.from({ length: count }, (_, i) => i).join(", ")}]`;
  const zipped = (count: number) =>
    `name: p
matrix: { a: ${values(count)} }
stages:
  s: { uses: source, with: { text: "x\${matrix.a}" } }
  m: { uses: mix, inputs: { one: s } }
`;
  // All children but the last twenty of each hundred are left out.
  const excluded = (size: number) =>
    `name: p
matrix:
  a: ${values(size)}
  b: ${values(size)}
  exclude:
${Array.from({ length: 0.8 * size ** 2 }, (_, i) => `    - { a: ${i % size}, b: ${Math.floor(i / size)} }\n`).join("")}
stages:
  s: { uses: source, with: { text: "\${matrix.a} \${matrix.b}" } }
`;
  const gathering = `name: p
stages:
  s: { uses: source, matrix: { a: ${values(1_500)} }, with: { text: "x\${matrix.a}" } }
  m: { uses: mix, matrix: { b: ${values(1_500)} }, inputs: { from: s }, with: { text: "x\${matrix.b}" } }
`;
  // An earlier version compared all pairs of children.
  const powers = {
    zipped: await growthOf(async (count) => {
      assertEquals((await goodFiles({ "p.yaml": zipped(count) })).stages.size, 2 * count);
    }, [250, 1_000]),
    excluded: await growthOf(async (count) => {
      assertEquals((await goodFiles({ "p.yaml": excluded(Math.sqrt(count)) })).stages.size, count / 5);
    }, [400, 1_600]),
  };
  for (const [name, power] of Object.entries(powers)) assert(power < 1.2, `${name}: n^${power}`);
  const problems = await bad({ "p.yaml": gathering });
  assertEquals(problems.map(({ message }) => message), ["the pipeline grows to more than 1000000 values"]);
});

Deno.test("a matrix that is refused is refused alone", async () => {
  const yaml = 'name: p\nmatrix: { a: [{}] }\nstages:\n  s: { uses: source, with: { text: "${matrix.a}" } }\n';
  assertEquals((await bad({ "p.yaml": yaml })).map(({ code }) => code), ["invalid-value"]);
});

Deno.test("what a stage that could not be expanded lacks without its axis is not told", async () => {
  const yaml = `name: p
stages:
  s: { uses: walk, matrix: { a: [] }, with: { steps: "\${matrix.a}" } }
`;
  assertEquals((await bad({ "p.yaml": yaml })).map(({ message }) => message), ["stages.s.matrix.a has no values"]);
});

Deno.test("an axis of the pipeline that makes no stage differ is a warning", async () => {
  const yaml = `name: p
matrix: { a: [1, 2], foo: [1, 2], seed: [0, 1] }
seed: "\${matrix.seed}"
stages:
  s: { uses: source, with: { text: "\${matrix.a}x" } }
`;
  const loaded = await loadFiles({ "p.yaml": yaml });
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"));
  assertEquals(loaded.warnings.map(({ severity, message, span }) => [severity, message, span?.start]), [
    ["warning", "matrix.foo makes no difference to any stage", yaml.indexOf("[1, 2], seed")],
    ["warning", "matrix.seed makes no difference to any stage", yaml.indexOf("[0, 1]")],
  ]);
  const used = await loadFiles({
    "p.yaml": yaml.replace("foo: [1, 2], seed: [0, 1]", "foo: [1, 2]").replace(/seed.*\n/, "").replace(
      "}x",
      "}${matrix.foo}",
    ),
  });
  assertEquals(used.ok && used.warnings, []);
});

Deno.test("needs may name an extent by the matrix", async () => {
  const pipeline = await goodFiles({
    "p.yaml": `name: p
stages:
  s: { uses: source }
  w: { uses: walk, inputs: { from: s }, with: { steps: 9 } }
  m: { uses: mix, matrix: { at: [2, 5] }, needs: "w@\${matrix.at}" }
`,
  });
  assertEquals(["m~at=2", "m~at=5"].map((id) => pipeline.stages.get(id)?.needs), [["w@2"], ["w@5"]]);
});

Deno.test("a value of an axis that needs names and there is none of is refused", async () => {
  const yaml = `name: p
stages:
  s: { uses: source, matrix: { a: [1, 2] }, with: { text: "x\${matrix.a}" } }
  m: { uses: mix, needs: s~b=1 }
`;
  assertEquals((await bad({ "p.yaml": yaml })).length > 0, true);
});
