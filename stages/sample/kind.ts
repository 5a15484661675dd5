import { sampleParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readCheckpointFacts } from "../../artifacts/facts.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkSampler } from "../shared/reverse/check_sampler.ts";
import { drawingFacts } from "../shared/reverse/sampler_evaluations.ts";
import { checkDrawing } from "./check.ts";

export const sampleKind = defineKind({
  kind: "sample",
  version: 3,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Sample images from a trained network",
  params: sampleParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
  },
  outputs: {
    samples: { type: "samples", description: "Images as bytes, with a picture of the first 64" },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const { count, sampler, batchSize, guidance } = params;
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    if (checkpoint === undefined) return { problems: [] };
    const classes = params.labels === "none" ? null : checkpoint.classes;
    const asked = guidance === 1 ? 1 : 2;
    // The last batch is as large as the others.
    const drawn = Math.ceil(count / batchSize) * batchSize;
    return {
      problems: [...checkSampler(sampler, checkpoint), ...checkDrawing(params, checkpoint)],
      ...drawingFacts(checkpoint, params, { count, walks: asked * drawn, classes }),
    };
  },
});
