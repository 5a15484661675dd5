import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatSpan } from "../../../../../engine/diagnostic/format.ts";
import { loadGood, problemsOf } from "../../support/load.ts";
import { makeTempFolder } from "../../support/temp.ts";

const STAGES = `name: p
stages:
  s: { uses: source }
  w: { uses: walk, with: { steps: 5 } }
  p: { uses: ports, inputs: { needed: s } }
`;

const REFUSED: [name: string, stage: string, code: string, message: string, fix: string, at: string][] = [
  ["no such stage", "{ uses: mix, inputs: { one: ss } }", "unknown-stage", 'no stage "ss"', 'mean "s"', "6:34"],
  [
    "text that is no reference",
    '{ uses: mix, inputs: { one: "../s" } }',
    "bad-reference",
    "not a reference",
    "",
    "6:34",
  ],
  [
    "an extent that is no number",
    "{ uses: mix, inputs: { one: w@ten } }",
    "bad-reference",
    '"w@ten" is not a reference',
    "write a whole number after w@, or w alone",
    "6:34",
  ],
  [
    "a port with a sign that none has",
    "{ uses: mix, inputs: { one: s.o-t } }",
    "bad-reference",
    "not a reference",
    "write s, or s.port",
    "6:34",
  ],
  [
    "a near name before what is no extent",
    "{ uses: mix, inputs: { from: [walc@1e3] } }",
    "bad-reference",
    "not a reference",
    "use one of: s, w, p, x",
    "6:36",
  ],
  ["no such output", "{ uses: mix, inputs: { one: s.oot } }", "unknown-port", 'no output "oot"', 'mean "out"', "6:34"],
  ["an inherited output", "{ uses: mix, inputs: { one: s.constructor } }", "unknown-port", "no output", "", "6:34"],
  ["no such input", "{ uses: mix, inputs: { onne: s } }", "unknown-port", 'no input "onne"', 'mean "one"', "6:29"],
  ["an inherited input", "{ uses: mix, inputs: { constructor: s } }", "unknown-port", "no input", "", "6:29"],
  ["a wrong type", "{ uses: mix, inputs: { one: p.log } }", "wrong-artifact", "wrong type", "wanted type", "6:34"],
  [
    "a stage without the type",
    "{ uses: ports, inputs: { needed: s, images: s } }",
    "wrong-artifact",
    "no output",
    "",
    "6:50",
  ],
  [
    "two fitting outputs",
    "{ uses: ports, inputs: { needed: s, images: p } }",
    "ambiguous-port",
    "several",
    "p.train or p.test",
    "6:50",
  ],
  [
    "a list for one artifact",
    "{ uses: mix, inputs: { one: [s, s] } }",
    "bad-reference",
    "takes one artifact",
    "one output",
    "6:34",
  ],
  ["a missing input", "{ uses: ports }", "missing-input", 'needs input "needed"', "needed: <stage>", "6:3"],
  [
    "an extent of a kind without one",
    "{ uses: mix, inputs: { one: s@3 } }",
    "bad-reference",
    "no extent",
    "write s",
    "6:34",
  ],
  ["a bad item of a list", "{ uses: mix, inputs: { from: [s, t] } }", "unknown-stage", 'no stage "t"', "", "6:39"],
];

for (const [name, stage, code, message, fix, at] of REFUSED) {
  Deno.test(`bindInputs() refuses ${name}`, async () => {
    const problems = await problemsOf(`${STAGES}  x: ${stage}\n`);
    assertEquals(problems.length, 1, problems.map((one) => one.message).join("\n"));
    const [problem] = problems;
    assertEquals(problem!.code, code);
    assertStringIncludes(problem!.message, message);
    assertStringIncludes(problem!.fix!, fix);
    assert(formatSpan(problem!.span!).endsWith(`p.yaml:${at}`), formatSpan(problem!.span!));
  });
}

Deno.test("bindInputs() does not tell to write the name of a stage that is refused", async () => {
  const problems = await problemsOf(`${STAGES}  B: { uses: source }\n  x: { uses: ports, inputs: { needed: B } }\n`);
  assertEquals(problems.map(({ fix }) => fix), [
    "rename the stage; ids become folder names",
    'rename stage "B", and write its new name',
  ]);
});

Deno.test("bindInputs() takes the only output of the wanted type, and samples where images are wanted", async () => {
  await using folder = await makeTempFolder();
  const yaml = `${STAGES}  x: { uses: ports, inputs: { needed: p, images: p.drawn, many: [s, w@2, p.out] } }\n`;
  const { inputs } = (await loadGood(folder.path, yaml)).stages.get("x")!;
  const shown = Object.entries(inputs).map(([port, all]) => `${port}: ${all.map((one) => `${one.stage}.${one.port}`)}`);
  assertEquals(shown, ["needed: p.out", "images: p.drawn", "many: s.out,w@2.out,p.out"]);
});

Deno.test("a reference to an extent makes a stage of its own, shorter ones first", async () => {
  await using folder = await makeTempFolder();
  const yaml = `${STAGES}  x: { uses: mix, inputs: { from: [w@9, w@2, w@2, w] } }\n`;
  const { stages } = await loadGood(folder.path, yaml);
  const walks = [...stages.values()].filter(({ entry }) => entry === "w");
  assertEquals(walks.map(({ id, extent, params }) => [id, extent, params["steps"]]), [
    ["w@2", 2, 2],
    ["w", 5, 5],
    ["w@9", 9, 9],
  ]);
});
