import { interpolateParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { drawingFacts } from "../shared/reverse/sampler_evaluations.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkInterpolation } from "./check.ts";

export const interpolateKind = defineKind({
  kind: "interpolate",
  version: 2,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Interpolate between pairs of images: noise them, mix them, denoise them (Ho et al. 2020, section 4.4)",
  params: interpolateParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
    images: { type: "images", description: "The ends of the pairs" },
  },
  outputs: {
    samples: {
      type: "samples",
      description: "The interpolated images, pair by pair, with a picture that includes both ends",
    },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const [checkpoint, images] = [readCheckpointFacts(inputs.checkpoint), readImageFacts(inputs.images)];
    const problems = checkInterpolation(params, { checkpoint, images });
    if (checkpoint === undefined) return { problems };
    const count = params.pairs * params.points;
    const share = Math.min(1, (params.timestep + 1) / (checkpoint.timesteps ?? Infinity));
    return { problems, ...drawingFacts(checkpoint, params, { count, walks: count * share, classes: null }) };
  },
});
