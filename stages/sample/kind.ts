import { sampleParams } from "../../schemas/kinds/sample.ts";
import { defineKind } from "../contract.ts";
import { readCheckpointFacts } from "../shared/facts.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkSampler } from "./check.ts";
import { evaluationsOf } from "./sampler_evaluations.ts";

export const sampleKind = defineKind({
  kind: "sample",
  version: 2,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Draw images from noise with a trained network",
  params: sampleParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network that draws" },
  },
  outputs: {
    samples: { type: "samples", description: "Images as bytes, with a picture of the first 64" },
  },
  seeded: true,
  device: findStageDevice,
  check({ count, sampler, batchSize }, inputs) {
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    if (checkpoint === undefined) return { problems: [] };
    const { height, width, channels, timesteps, forwardGflop } = checkpoint;
    const steps = timesteps === undefined ? undefined : evaluationsOf(sampler, timesteps);
    // The last batch is as large as the others.
    const drawn = Math.ceil(count / batchSize) * batchSize;
    return {
      problems: checkSampler(sampler, checkpoint),
      facts: { samples: { count, height, width, channels } },
      ...(steps === undefined || forwardGflop === undefined ? {} : { workGflop: drawn * steps * forwardGflop }),
    };
  },
});
