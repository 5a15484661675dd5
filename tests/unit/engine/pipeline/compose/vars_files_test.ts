import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatDiagnostic } from "../../../../../engine/diagnostic/format.ts";
import { bad, good } from "./load_files.ts";

const stages = 'stages: { w: { uses: walk, with: { steps: "${vars.n}", text: "${vars.deep.text}" } } }';

Deno.test("vars come of files that are extended, the last of which wins, each with its place", async () => {
  const given = {
    "p.yaml": `name: p\nextends: [./base.yaml, ./sizes/small.yaml]\nvars: { n: 6 }`,
    "base.yaml": `name: base\nvars: { n: 1, deep: { text: base } }\n${stages}`,
    "sizes/small.yaml": "vars:\n  n: 5\n  deep: { text: low }",
  };
  const pipeline = await good(given);
  const { params } = pipeline.stages.get("w")!;
  assertEquals([params["steps"], params["text"]], [6, "low"]);
  const chain = (name: string) => pipeline.origins.explain(["stages", "w", "with", name]).join();
  assertStringIncludes(chain("steps"), "p.yaml:3:");
  assertStringIncludes(chain("steps"), "overriding");
  assertStringIncludes(chain("text"), "small.yaml:3:");
  assertEquals((await good(given, { overrides: ["vars.n=4"] })).stages.get("w")!.params["steps"], 4);
});

Deno.test("vars that are no map are refused, with their place", async () => {
  const found = await bad({ "p.yaml": `name: p\nvars: ./v.yaml\n${stages}`, "v.yaml": "n: 3" });
  const said = found.map((one) => formatDiagnostic(one)).join("\n");
  assertStringIncludes(said, "p.yaml:2:");
  assertStringIncludes(said, 'got:    "./v.yaml"');
  assertStringIncludes(said, "wanted: a map");
});
