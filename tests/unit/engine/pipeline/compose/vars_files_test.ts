import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { bad, good } from "./load_files.ts";

const stages = 'stages: { w: { uses: walk, with: { steps: "${vars.n}", text: "${vars.deep.text}" } } }';

Deno.test("vars come of files and maps, the last of which wins, each with its place", async () => {
  const pipeline = await good({
    "p.yaml": `name: p\nvars: [./sizes/small.yaml, { n: 6 }]\n${stages}`,
    "sizes/small.yaml": "n: 5\ndeep: { text: low }",
  });
  const { params } = pipeline.stages.get("w")!;
  assertEquals([params["steps"], params["text"]], [6, "low"]);
  const chain = (name: string) => pipeline.origins.explain(["stages", "w", "with", name]).join();
  assertStringIncludes(chain("steps"), "p.yaml:2:");
  assertStringIncludes(chain("steps"), "overriding");
  assertStringIncludes(chain("text"), "small.yaml:2:");
});

Deno.test("one file of vars, below the vars of what it extends, and under --set", async () => {
  const given = {
    "base.yaml": `name: base\nvars: { n: 1, deep: { text: base } }\n${stages}`,
    "p.yaml": "name: p\nextends: ./base.yaml\nvars: ./v.json",
    "v.json": '{ "n": 3 }',
  };
  assertEquals((await good(given)).stages.get("w")!.params, { steps: 3, text: "base" });
  assertEquals((await good(given, { overrides: ["vars.n=4"] })).stages.get("w")!.params["steps"], 4);
});

const REFUSED: [what: string, vars: string, file: string, message: string][] = [
  ["a list in a file", "./v.yaml", "[1, 2]", "wanted: a map of names"],
  ["a number in the list", "[3]", "", "got:    3"],
  ["a file that is not there", "./w.yaml", "", "w.yaml"],
];

for (const [what, vars, file, message] of REFUSED) {
  Deno.test(`vars with ${what} are refused`, async () => {
    const found = await bad({ "p.yaml": `name: p\nvars: ${vars}\n${stages}`, "v.yaml": file });
    assertStringIncludes(found.map((one) => formatDiagnostic(one)).join("\n"), message);
  });
}
