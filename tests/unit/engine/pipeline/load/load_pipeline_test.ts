import { assertEquals } from "@std/assert";
import { formatDiagnostic, formatSpan } from "../../../../../engine/diagnostic/format.ts";
import { loadGood, problemsOf } from "../../support/load.ts";
import { makeTempFolder } from "../../support/temp.ts";
import { snapshotsOf } from "../../../../support/snapshots.ts";

const said = async (yaml: string, overrides: readonly string[] = []) =>
  (await problemsOf(yaml, overrides)).map(({ code, message, span }) =>
    `${code} ${message} ${span === undefined ? "" : formatSpan(span).split("p.yaml:")[1]}`
  );

Deno.test("loadPipeline() says all problems at once", async () => {
  const yaml = `name: Bad
seeds: 1
stages:
  a: { uses: sorce }
  b: { uses: source, with: { text: 1, txet: b } }
`;
  assertEquals(await said(yaml), [
    "invalid-value name is not valid 1:7",
    'unknown-key unknown key "seeds" in the pipeline file 2:1',
    'unknown-kind unknown kind "sorce" 4:14',
    "invalid-value stages.b.with.text is not valid 5:36",
    'unknown-key unknown key "txet" in stages.b.with 5:39',
  ]);
});

Deno.test("loadPipeline() checks what is left of a stage of which a part is wrong, and reports nothing that follows from it", async () => {
  const yaml = `name: p
stages:
  a: { uses: 3, inputs: { x: nowhere } }
  b: 7
  c: { uses: mix, inputs: { one: 3, two: a }, wiht: {} }
  d: { uses: walk, inputs: { from: b }, with: 3, retries: 99 }
  e: { uses: walk, inputs: { from: gone }, with: { steps: 0 } }
  f: { uses: mxi, inputs: { one: gone }, needs: gone }
  g: { uses: source, with: { file: gone.txt } }
`;
  assertEquals(await said(yaml), [
    "invalid-value stages.a.uses is not valid 3:14",
    "invalid-value stages.b is not valid 4:6",
    "invalid-value stages.c.inputs.one is not valid 5:34",
    'unknown-key unknown key "wiht" in stages.c 5:47',
    "invalid-value stages.d.with is not valid 6:47",
    "invalid-value stages.d.retries is not valid 6:59",
    'unknown-stage there is no stage "gone" 7:36',
    "invalid-value stages.e.with.steps is not valid 7:59",
    'unknown-kind unknown kind "mxi" 8:14',
    'unknown-stage there is no stage "gone" 8:34',
    'unknown-stage there is no stage "gone" 8:49',
    'external stage "g": cannot read file: no such file or folder 9:36',
  ]);
});

Deno.test("loadPipeline() refuses a self-loop and a cycle, and names the inputs that make it", async () => {
  assertEquals(await said("name: p\nstages:\n  a: { uses: mix, inputs: { one: a } }\n"), [
    'cycle stage "a" reads its own output 3:3',
  ]);
  const [problem] = await problemsOf(`name: p
stages:
  a: { uses: mix, inputs: { one: c } }
  b: { uses: mix, inputs: { one: a } }
  c: { uses: mix, inputs: { one: b } }
  behind: { uses: mix, inputs: { one: c } }
`);
  assertEquals(problem!.message, "stages read each other in a cycle: a -> c -> b -> a");
  assertEquals(problem!.related!.map(({ message }) => message), ["a reads c", "c reads b", "b reads a"]);
});

const IDS: [id: string, message: string][] = [
  ["../up", '"../up" is not a stage id'],
  ["A", '"A" is not a stage id'],
  ["a.b", '"a.b" is not a stage id'],
  ["a".repeat(65), `"${"a".repeat(65)}" is not a stage id`],
  ["vars", 'a stage cannot be called "vars"'],
  ["seed", 'a stage cannot be called "seed"'],
];
for (const [id, message] of IDS) {
  Deno.test(`loadPipeline() refuses the stage id ${id.slice(0, 8)}`, async () => {
    assertEquals(await said(`name: p\nstages:\n  "${id}": { uses: source }\n`), [`invalid-value ${message} 3:3`]);
  });
}

for (
  const text of ["", " \n\n", "# only a comment\n", "3\n", "[1]\n", "stages:\n", "name: p\nstages: {}\n", "null\n"]
) {
  Deno.test(`loadPipeline() refuses ${JSON.stringify(text)} without throwing`, async () => {
    assertEquals((await problemsOf(text)).length > 0, true);
  });
}

for (const value of [".nan", ".inf", "-1", "0", "1.5", "1e400", '"5"', "null", "true", "[5]"]) {
  Deno.test(`loadPipeline() refuses steps: ${value}`, async () => {
    const found = await said(`name: p\nstages:\n  w: { uses: walk, with: { steps: ${value} } }\n`);
    assertEquals(found.length, 1, found.join("\n"));
    assertEquals(found[0]!.includes("stages.w.with.steps"), true, found[0]);
  });
}

Deno.test("loadPipeline() reports an unresolved value once, not its type as well", async () => {
  const yaml = 'name: p\nstages:\n  w: { uses: walk, with: { steps: "${vars.n}" } }\n';
  assertEquals(await said(yaml), ["interpolation cannot resolve ${vars.n}: no such value 3:35"]);
});

Deno.test("origins name --set, the var and the file, nearest first", async () => {
  await using folder = await makeTempFolder();
  const yaml = 'name: p\nvars: { n: 3 }\nstages:\n  w: { uses: walk, with: { steps: "${vars.n}" } }\n';
  const explain = async (...overrides: string[]) => {
    const { origins } = await loadGood(folder.path, yaml, overrides);
    return origins.explain(["stages", "w", "with", "steps"]).map((text) => text.replaceAll(`${folder.path}/`, ""));
  };
  assertEquals(await explain(), ["p.yaml:4:35", "${vars.n} = p.yaml:2:12"]);
  assertEquals(await explain("vars.n=4"), ["p.yaml:4:35", "${vars.n} = --set vars.n=4, overriding p.yaml:2:12"]);
  assertEquals(await explain("w.steps=4"), ["--set w.steps=4, overriding p.yaml:4:35"]);
  const { origins } = await loadGood(folder.path, yaml);
  assertEquals(origins.explain(["stages", "w", "with", "text"]), ["default"]);
});

/** The output as a person sees it; look at the difference before accepting it. */
Deno.test("diagnostics of a broken pipeline read as before", async (t) => {
  const yaml = `name: p
vars: { lr: -1 }
stages:
  a: { uses: source, with: { text: "\${vars.lr}" } }
  b: { uses: walk, inputs: { from: aa }, with: { steps: 0 } }
  c: { uses: mix, inputs: { one: c }, retries: many }
  d: { uses: walk, with: { stpes: 3 } }
  "É": { uses: source }
`;
  const shown: string[] = [];
  for (const one of [yaml, yaml.replace(", retries: many", "")]) {
    for (const problem of await problemsOf(one, ["a.text=${vars.lr}"])) {
      shown.push(formatDiagnostic(problem).replaceAll(/\/\S*\/p\.yaml/g, "p.yaml"));
    }
  }
  await t.assertSnapshot(shown.join("\n\n"), snapshotsOf(import.meta.url));
});

Deno.test("a pipeline's question is the one in the comments at its top, over several lines", async () => {
  await using folder = await makeTempFolder();
  const of = async (head: string) =>
    (await loadGood(folder.path, `${head}name: p\nstages:\n  a: { uses: source }\n`)).question;
  assertEquals(await of("# Question: which is\n#   better?\n# Cost: 3 seconds.\n"), "which is better?");
  assertEquals(await of("# yaml-language-server: $schema=x\n\n# Question: one\n#\n#   not two\n"), "one");
  assertEquals(await of("#Question: a\r\n#    b\r\n"), "a b");
  assertEquals(await of(`# Question: ${"long ".repeat(1_000)}\n`), "long ".repeat(100).trimEnd());
  for (const none of ["", "# Question:\n", "# No question\n", "seed: 1 # Question: x\n"]) {
    assertEquals(await of(none), undefined);
  }
});
