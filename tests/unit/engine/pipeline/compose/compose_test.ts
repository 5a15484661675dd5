import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import type { Pipeline } from "../../../../../engine/pipeline/pipeline.ts";
import { bad, good } from "./load_files.ts";

const BASE = `name: base
seed: 3
vars: { n: 5 }
stages:
  s: { uses: source, with: { text: low } }
  w: { uses: walk, inputs: { from: s }, with: { steps: "\${vars.n}" } }
`;

const text = (pipeline: Pipeline, id: string) => pipeline.stages.get(id)!.params["text"];

Deno.test("a file is laid over those that it extends, the last of them over the others", async () => {
  const pipeline = await good({
    "base.yaml": BASE,
    "more/other.yaml": "vars: { n: 6 }\nstages: { s: { with: { text: middle, added: 4 } } }",
    "p.yaml": `name: p
extends: [./base.yaml, more/other.yaml]
stages:
  s: { with: { text: high } }
  m: { uses: mix, inputs: { one: w } }`,
  });
  assertEquals([...pipeline.stages.keys()], ["s", "w", "m"]);
  assertEquals(pipeline.name, "p");
  assertEquals(pipeline.seed, 3);
  assertEquals(text(pipeline, "s"), "high");
  assertEquals(pipeline.stages.get("s")!.params["added"], 4);
  assertEquals(pipeline.stages.get("w")!.extent, 6);
});

Deno.test("null in a file removes what it extends", async () => {
  const pipeline = await good({
    "base.yaml": BASE,
    "p.yaml": "name: p\nextends: base.yaml\nstages: { w: null, s: { with: { text: null } } }",
  });
  assertEquals([...pipeline.stages.keys()], ["s"]);
  assertEquals(text(pipeline, "s"), "a");
});

Deno.test("origins name every file and profile that had a say", async () => {
  const pipeline = await good({
    "base.yaml": BASE,
    "p.yaml": `name: p
extends: ./base.yaml
profiles:
  fast: { vars: { n: 2 } }
stages: { s: { with: { text: high } } }`,
  }, { profiles: ["fast"], overrides: ["s.added=7"] });
  const origin = (...path: string[]) => pipeline.origins.explain(["stages", ...path]).join(" <- ");
  const steps = origin("w", "with", "steps");
  assertStringIncludes(steps, "base.yaml:6:56 <- ${vars.n} = ");
  assertStringIncludes(steps, "p.yaml:4:22 (profile fast), overriding ");
  assertStringIncludes(origin("s", "with", "text"), "p.yaml:5:30, overriding ");
  assertEquals(origin("s", "with", "added"), "--set s.added=7");
  assertEquals(pipeline.stages.get("w")!.extent, 2);
});

Deno.test("profiles are laid over in the order of the command line, and overrides over them", async () => {
  const files = {
    "p.yaml": `name: p
profiles:
  one: { stages: { s: { with: { text: one, added: 1 } } } }
  two: { seed: 9, stages: { s: { with: { text: two } } } }
stages: { s: { uses: source } }`,
  };
  const both = await good(files, { profiles: ["one", "two"] });
  assertEquals([text(both, "s"), both.stages.get("s")!.params["added"], both.seed], ["two", 1, 9]);
  assertEquals(text(await good(files, { profiles: ["two", "one"] }), "s"), "one");
  assertEquals(text(await good(files, { profiles: ["two"], overrides: ["s.text=set"] }), "s"), "set");
  assertEquals(text(await good(files), "s"), "a");
});

Deno.test("paths that start with a point are taken from the file that they stand in", async () => {
  const pipeline = await good({
    "sub/base.yaml":
      `name: base\nstages: { s: { uses: source, with: { file: ./data.txt, text: "../x", note: plain } } }`,
    "sub/data.txt": "1",
    "p.yaml": "name: p\nextends: ./sub/base.yaml",
  });
  const { params } = pipeline.stages.get("s")!;
  assertEquals([params["file"], params["text"], params["note"]], ["./sub/data.txt", "./x", "plain"]);
});

Deno.test("what is wrong in a base points into it and says who extends it", async () => {
  const problems = await bad({
    "base.yaml": BASE.replace("steps:", "stepz:"),
    "p.yaml": "name: p\nextends: ./base.yaml",
  });
  const texts = problems.map((one) => formatDiagnostic(one)).join("\n");
  assertStringIncludes(texts, 'base.yaml:6:49: error: unknown key "stepz"');
});

const REFUSED: [name: string, files: Record<string, string>, message: string, profiles?: string[]][] = [
  ["a file that is not there", { "p.yaml": "name: p\nextends: ./none.yaml" }, "none.yaml: no such file"],
  ["files in a circle", { "a.yaml": "extends: ./p.yaml", "p.yaml": "name: p\nextends: ./a.yaml" }, "extend each other"],
  ["a base that does not parse", { "a.yaml": "a: [", "p.yaml": "name: p\nextends: ./a.yaml" }, "a.yaml:1:"],
  ["no name of its own", { "base.yaml": BASE, "p.yaml": "extends: ./base.yaml" }, "name is missing"],
  ["a number for a path", { "p.yaml": "name: p\nextends: 3" }, "extends is not valid"],
  ["a profile that is not there", { "p.yaml": BASE }, "no such profile", ["fast"]],
  ["a profile of 5,000 letters", { "p.yaml": BASE }, `got:    "${"n".repeat(199)}…\n`, ["n".repeat(5_000)]],
  ["a profile of codes for a terminal", { "p.yaml": BASE }, `got:    "\\u001b[31m\\u0000"`, ["\u001b[31m\0"]],
  ["a profile that is no map", { "p.yaml": `${BASE}profiles: { fast: 3 }` }, "profiles.fast is not valid"],
  ["a profile with a strange key", { "p.yaml": `${BASE}profiles: { fast: { stage: {} } }` }, 'unknown key "stage"'],
];

for (const [name, files, message, profiles = []] of REFUSED) {
  Deno.test(`loadPipeline() refuses ${name}`, async () => {
    const problems = await bad(files, { profiles });
    assertStringIncludes(problems.map((one) => formatDiagnostic(one)).join("\n"), message);
  });
}
