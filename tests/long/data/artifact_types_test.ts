import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { encodeNpy } from "../../../science/formats/npy.ts";
import { decodeSafetensors } from "../../../science/formats/safetensors.ts";
import { findBlocks } from "../../docs/blocks.ts";
import { CLONE } from "../../support/cli_process.ts";
import { Project } from "../../support/project.ts";

/** A stage that writes the given files as an artifact of any type. */
const FORGER = (type: string) =>
  `import { defineStage } from "noiseline";
import { z } from "zod";

export default defineStage({
  summary: "Writes what it is told",
  params: z.strictObject({ files: z.record(z.string(), z.string()) }),
  inputs: {},
  outputs: { out: { type: "${type}", description: "Anything" } },
  async run({ params, outputs }) {
    for (const [name, text] of Object.entries(params.files)) {
      await outputs.out.write(name, name.endsWith(".json") || name.endsWith(".jsonl") ? text : Uint8Array.fromBase64(text));
    }
  },
});
`;

const FEATURES = {
  extractor: { name: "mine", sha256: null, dimension: 2, preprocessing: {} },
  count: 3,
  logits: null,
  classes: null,
  images: { digest: "d", count: 3, height: 1, width: 1, channels: 1, source: {} },
};
const IMAGES = { count: 1, height: 1, width: 1, channels: 1, classes: null, source: {} };

function npy(values: number[], shape: readonly number[]): string {
  return encodeNpy({ shape, data: Float32Array.from(values) }).toBase64();
}

/** For each type the files to write, and the expected error; undefined if the artifact is published. */
const FORGERIES: Readonly<Record<string, readonly [string, Record<string, string>, RegExp | undefined]>> = {
  good_metrics: ["metrics", { "metrics.json": '{"format":1,"metrics":[{"name":"a","value":1,"count":2}]}' }, undefined],
  empty_metrics: [
    "metrics",
    { "metrics.json": "{}" },
    /^output "out" is not of type metrics: metrics\.json, format: got nothing, wanted 1; metrics: got nothing, wanted a list$/,
  ],
  huge_metric: [
    "metrics",
    { "metrics.json": '{"format":1,"metrics":[{"name":"a","value":1e999,"count":2}]}' },
    /metrics\.json, metrics\[0\]\.value: got Infinity, wanted /,
  ],
  named_wrong: ["metrics", { "scores.json": "{}" }, /got only scores\.json, wanted a file of this name/],
  no_json: [
    "images",
    { "images.json": "count: 1" },
    /^output "out" is not of type images: images\.json: got text that is not JSON/,
  ],
  no_pixels: ["images", { "images.json": JSON.stringify(IMAGES) }, /images\.safetensors: got only images\.json/],
  cut_images: [
    "samples",
    { "images.json": JSON.stringify(IMAGES), "images.safetensors": btoa("cut") },
    /^output "out" is not of type samples: safetensors file: got 3 bytes/,
  ],
  good_features: [
    "features",
    { "features.json": JSON.stringify(FEATURES), "features.npy": npy([1, 2, 3, -0, 1e-45, 3e38], [3, 2]) },
    undefined,
  ],
  nan_features: [
    "features",
    { "features.json": JSON.stringify(FEATURES), "features.npy": npy([1, 2, 3, NaN, 5, 6], [3, 2]) },
    /features\.npy, row 1, of extractor "mine": got NaN in column 1, wanted finite numbers$/,
  ],
  short_features: [
    "features",
    { "features.json": JSON.stringify(FEATURES), "features.npy": npy([1, 2, 3, 4], [2, 2]) },
    /features\.npy: got float32 \[2,2\], wanted float32 \[3,2\]$/,
  ],
  log_of_words: [
    "log",
    { "log.jsonl": '{"step":1,"loss":2}\nsecond\n' },
    /is not of type log: log\.jsonl, record 2: got text that is not JSON/,
  ],
  good_log: ["log", { "log.jsonl": '{"step":1,"loss":2}\n' }, undefined],
  ranking: [
    "selection",
    { "selection.json": '{"format":1}' },
    /is not of type selection: selection\.json, metric: got nothing/,
  ],
  any_files: ["files", { "metrics.json": "{" }, undefined],
};

Deno.test("run fails a custom stage whose output is not what its type says, and publishes nothing of it", async () => {
  await using project = new Project();
  const types = new Set(Object.values(FORGERIES).map(([type]) => type));
  for (const type of types) project.write(`${type}.ts`, FORGER(type));
  const stages = Object.entries(FORGERIES).map((
    [id, [type, files]],
  ) => [id, { uses: `./${type}.ts`, with: { files } }]);
  project.write("p.yaml", JSON.stringify({ name: "demo", stages: Object.fromEntries(stages) }));
  const { code, events } = await project.cli(["run", "p.yaml", "--keep-going", "--json"]);
  assertEquals(code, 1);
  const ends = Object.fromEntries(events.filter(({ type }) => type === "stage-finished").map((end) => [end.id, end]));
  for (const [id, [, , said]] of Object.entries(FORGERIES)) {
    assertEquals(ends[id].state, said === undefined ? "ran" : "failed", `${id}: ${ends[id].message}`);
    if (said !== undefined) assert(said.test(ends[id].message), `${id}: ${ends[id].message}`);
  }
  assertStringIncludes(ends["empty_metrics"].fix, "writeMetrics");
  const kept = Object.keys(FORGERIES).filter((id) => FORGERIES[id]![2] === undefined);
  assertEquals(project.shown(), kept.sort());
});

Deno.test("the example of docs/custom-stages.md does what it says, and metrics shows it", async () => {
  const blocks = findBlocks(Deno.readTextFileSync(join(CLONE, "docs/custom-stages.md")), "custom-stages.md");
  const find = (language: string) => blocks.find((block) => block.language === language)!.text;
  await using project = new Project({ files: { "brightness.ts": find("ts"), "p.yaml": find("yaml") } });
  const { code, stderr } = await project.cli(["run", "p.yaml"]);
  assertEquals(code, 0, stderr);
  const { json } = await project.cli(["metrics", "p.yaml", "--json"]);
  const row = json.metrics.find(({ stage }: { stage: string }) => stage === "brightness");
  const file = Deno.readFileSync(project.path("outputs/brightness/digits/train/images.safetensors"));
  const pixels = decodeSafetensors(file).tensors["images"]!.data as Uint8Array;
  const mean = pixels.reduce((sum, byte) => sum + byte, 0) / pixels.length;
  assertEquals([row.metric, row.count], ["mean brightness", 150]);
  // Sums of bytes are exact; the rest is three roundings of float64.
  assert(Math.abs(row.value - mean / 255) < 1e-15, `${row.value}`);
});
