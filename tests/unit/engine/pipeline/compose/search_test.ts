import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { load, loadGood, problemsOf } from "../../support/load.ts";
import { SEARCH_KINDS, searchYaml } from "../../support/search_kinds.ts";
import { makeTempFolder } from "../../support/temp.ts";

const YAML = searchYaml({ trials: 9, rungs: "[100, 300]" });
const MATRIX = "matrix: { m: [1, 2] }, ";

/** By what is wrong: the text that is replaced, the text in its place, what the one error says, and where it points. */
const REFUSED: Record<string, [from: string | RegExp, to: string, said: string[], line: RegExp]> = {
  "a score of a stage that is not there": ["evaluate.L_simple", "evaluat.L_simple", ['no stage "evaluat"'], /score/],
  "a score that its stage has not": ["L_simple", "L_smple", ["no metric of this name", '"L_simple"?'], /score/],
  "a score of a stage that has none": ["evaluate.L", "reader.L", ["reader", "no output that fits"], /score/],
  "a score without a metric": ["evaluate.L_simple", "evaluate", ["one stage and its metric"], /score/],
  "a score of two stages": ["evaluate.L_simple", "[evaluate.L_simple, reader.x]", ["wanted: "], /score/],
  "a score of a stage with a matrix": [
    "uses: grade, ",
    `uses: grade, ${MATRIX}seed: "\${matrix.m}", `,
    ['stage "evaluate" has a matrix'],
    /score/,
  ],
  "a score that does not depend on it": [
    "{ uses: grade, inputs: { climb: train } }",
    "{ uses: grade, inputs: { climb: other } }\n  other: { uses: walk, with: { steps: 1 } }",
    ['reads nothing of "train"'],
    /score/,
  ],
  "an empty range": ["from: 0.01, to: 10", "from: 10, to: 10", ["a range whose from is below its to"], /pace/],
  "a range of logarithms from 0": ["from: 0.01", "from: 0", ["a range above 0"], /pace/],
  "whole numbers between fractions": ["log: true", "integer: true", ["between whole numbers"], /pace/],
  "an empty list": ["[boot, clog]", "[]", ["over.shoe is not valid", "at least 1 items"], /shoe/],
  "nothing to search over": [/over: .*/, "over: {}", ["at least one list or range"], /over/],
  "values that are used nowhere": ['shoe: "${search.shoe}"', "shoe: boot", ["makes no difference"], /shoe/],
  "values that it has not": ["${search.shoe}", "${search.sho}", ["no such values", '"shoe"?'], /with/],
  "ranges and no number of trials": ["      trials: 9\n", "", ["a number of trials"], /search:/],
  "fewer trials than eta": ["trials: 9", "trials: 2", ["too few trials for 2 rungs", "at least 3"], /trials/],
  "rungs that do not rise": ["[100, 300]", "[300, 100]", ["numbers that rise"], /rungs/],
  "the extent set twice": ['pace: "$', 'steps: 5, pace: "$', ["set by the rungs"], /with/],
  "a matrix on the same stage": ["uses: climb", 'uses: climb\n    matrix: { m: [1] }\n    seed: "${matrix.m}"', [
    "a stage with a matrix cannot have a search",
  ], /search:/],
  "rungs of a kind without an extent": [
    /uses: climb([^]*)pace: .*\}/,
    'uses: source$1text: "${search.pace} ${search.shoe}" }',
    ["source has no extent"],
    /rungs/,
  ],
  "a trial that its kind refuses": ["shoe: [boot, clog]", "shoe: [boot, 3]", ["stages.train"], /shoe/],
  "an unknown key": ["trials: 9", "trails: 9", ['unknown key "trails"', '"trials"?'], /trails/],
  "a goal that is none": ["trials: 9", "trials: 9\n      goal: best", ['"lowest"'], /goal/],
};

for (const [what, [from, to, said, line]] of Object.entries(REFUSED)) {
  Deno.test(`a search with ${what} is refused where it is written`, async () => {
    assert(YAML.replace(from, to) !== YAML);
    const problems = (await problemsOf(YAML.replace(from, to), [], SEARCH_KINDS))
      .filter(({ severity }) => severity === "error");
    const text = problems.map((one) => formatDiagnostic(one)).join("\n");
    for (const words of said) assertStringIncludes(text, words);
    assertEquals(problems.length, 1, text);
    const { source, start } = problems[0]!.span!;
    const at = source.text.slice(0, start).split("\n").length - 1;
    assert(line.test(source.text.split("\n")[at]!), text);
  });
}

Deno.test("an expression of a search outside of its stage's params is refused", async () => {
  const text = (await problemsOf(YAML.replace("from: [train] }", 'from: [train] }, with: { text: "${search.shoe}" }')))
    .map((one) => formatDiagnostic(one)).join("\n");
  assertStringIncludes(text, "cannot resolve ${search.shoe}");
});

/** Returns the values of the trials, in their order. */
async function trialsOf(yaml: string): Promise<Record<string, unknown>[]> {
  await using folder = await makeTempFolder();
  const { stages } = await loadGood(folder.path, yaml, [], SEARCH_KINDS);
  return [...stages.values()].filter(({ id }) => id.startsWith("train~trial="))
    .sort((a, b) => Number(a.id.slice(12)) - Number(b.id.slice(12)))
    .map(({ params: { steps: _, ...rest } }) => rest);
}

Deno.test("without trials each combination of the lists is one", async () => {
  const yaml = YAML.replace("{ from: 0.01, to: 10, log: true }", "[1, 2, 3]").replace("      trials: 9\n", "");
  const pairs = (await trialsOf(yaml)).map(({ pace, shoe }) => `${pace} ${shoe}`);
  assertEquals(pairs, ["1 boot", "2 boot", "3 boot", "1 clog", "2 clog", "3 clog"]);
});

Deno.test("trials are all different, and more than there are different ones are refused", async () => {
  const yaml = (trials: number) =>
    YAML.replace("{ from: 0.01, to: 10, log: true }", "[1, 2, 3]").replace("trials: 9", `trials: ${trials}`);
  const pairs = (await trialsOf(yaml(6))).map(({ pace, shoe }) => `${pace} ${shoe}`);
  assertEquals(pairs.toSorted(), ["1 boot", "1 clog", "2 boot", "2 clog", "3 boot", "3 clog"]);
  const [problem, ...others] = await problemsOf(yaml(7), [], SEARCH_KINDS);
  assertEquals(others, []);
  assertStringIncludes(formatDiagnostic(problem!), "over has only 6 trials that differ");
});

Deno.test("trials are the same whatever the order of the file and however many follow; a seed gives others", async () => {
  const some = await trialsOf(YAML);
  const turned = YAML.replace(/over: \{ (pace: \{.*?\}), (shoe: \[.*?\]) \}/, "over: { $2, $1 }");
  assert(turned !== YAML);
  assertEquals(await trialsOf(turned), some);
  assertEquals((await trialsOf(YAML.replace("trials: 9", "trials: 27"))).slice(0, 9), some);
  const other = await trialsOf(YAML.replace("trials: 9", "trials: 9\n      seed: 1"));
  assert(other.every(({ pace }, i) => pace !== some[i]!["pace"]));
});

Deno.test("values lie in their ranges, evenly: one of each half, and whole numbers where these are asked for", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 1e6 }), fc.integer({ min: 1, max: 50 }), fc.boolean(), async (seed, width, log) => {
      const range = `{ from: 3, to: ${3 + width}, integer: true, log: ${log} }`;
      const yaml = YAML.replace("{ from: 0.01, to: 10, log: true }", range)
        .replace("trials: 9", `trials: ${(width < 8 && !log ? 2 : 1) * (width + 1)}\n      seed: ${seed}`);
      const paces = (await trialsOf(yaml)).map(({ pace }) => Number(pace));
      assert(paces.every((pace) => Number.isInteger(pace) && pace >= 3 && pace <= 3 + width), paces.join());
      if (width < 8 && !log) assertEquals(new Set(paces).size, width + 1);
    }),
    { numRuns: 20 },
  );
  const paces = (await trialsOf(YAML.replace("trials: 9", "trials: 16"))).map(({ pace }) => Number(pace));
  // Sixteen points, shifted or not, have eight in each half; by logarithms, 0.01 to 10 is halved at 0.316.
  assertEquals(paces.filter((pace) => pace < Math.sqrt(0.1)).length, 8);
});

Deno.test("stages beside a search read the winner, further trained if asked, and stages can be named by their rungs", async () => {
  await using folder = await makeTempFolder();
  const yaml = `${YAML}  longer: { uses: grade, inputs: { climb: train@500 } }\n`;
  const { stages, families } = await loadGood(folder.path, yaml, [], SEARCH_KINDS);
  assertEquals(stages.get("reader")!.inputs["from"]!.map(({ stage }) => stage), ["train"]);
  const { rankings, counts } = stages.get("train")!.slot!;
  assertEquals([rankings, counts], [["train-ranking~rung=100", "train-ranking~rung=300"], [3, 1]]);
  assertEquals(stages.get("train@500")!.slot, stages.get("train")!.slot);
  assertEquals(stages.get("evaluate~rung=300~slot=2")!.inputs["climb"]![0]!.stage, "train~rung=300~slot=2");
  assertEquals(families.get("train")!.length, 9 + 3);
  // With a single rung there is nothing to name.
  const plain = YAML.replace(/ +rungs: .*\n/, "").replace("with: { pace", "with: { steps: 7, pace");
  const loaded = await load(folder.path, plain, [], SEARCH_KINDS);
  assert(loaded.ok, JSON.stringify(loaded));
  assertEquals(loaded.value.stages.get("train")!.slot!.rankings, ["train-ranking"]);
});
