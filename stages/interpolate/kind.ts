import { z } from "zod";
import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { checkDecoder, checkMost, decoderInput, problemsOf } from "../shared/checks.ts";
import { positiveInt } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { checkSampling, lastTime, samplingFacts, samplingParams } from "../shared/draw/check.ts";

export const interpolateKind = defineKind({
  kind: "interpolate",
  version: 7,
  entry: import.meta.resolve("./run.ts"),
  summary: "Interpolate between pairs of images: noise them, mix them, denoise them (Ho et al. 2020, section 4.4)",
  params: z.strictObject({
    pairs: positiveInt(1_000).default(8).describe("Images 0 and 1 are the first pair, 2 and 3 the second"),
    points: z.int().min(2).max(64).default(9).describe("Images from one end to the other, both ends included"),
    timestep: z.int().min(0).max(1_000_000).describe("Where the noised images are mixed. Ho et al.: 500 of 1000"),
    ...samplingParams(),
  }),
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
    images: { type: "images", description: "The ends of the pairs" },
    autoencoder: decoderInput,
  },
  outputs: {
    samples: {
      type: "samples",
      description: "The interpolated images, pair by pair, with a picture that includes both ends",
    },
  },
  seeded: true,
  definitions: { sampler: "sampler" },
  device: findStageDevice,
  check(params, inputs, own) {
    const [checkpoint, images] = [readCheckpointFacts(inputs.checkpoint), readImageFacts(inputs.images)];
    const { sampler, timestep, pairs } = params;
    const timesteps = checkpoint?.timesteps;
    // With few steps, times that count down from T - 1 end above 0.
    const lowest = timesteps === undefined ? 0 : lastTime(sampler, timesteps);
    const problems = problemsOf(
      checkSampling(params, { checkpoint, images, own: own?.["sampler"] }),
      checkDecoder("checkpoint", checkpoint, inputs),
      timestep < lowest && {
        param: ["timestep"],
        message: "the sampler visits no timestep this low",
        got: `${timestep}`,
        wanted: `at least ${lowest}`,
        fix: "raise timestep, or take more steps",
      },
      checkMost(["timestep"], timestep, timesteps && timesteps - 1, {
        message: "the checkpoint's schedule is shorter",
      }),
      checkMost(["pairs"], pairs, images?.count && Math.floor(images.count / 2), { message: "a pair is two images" }),
    );
    if (checkpoint === undefined) return { problems };
    const count = params.pairs * params.points;
    const share = Math.min(1, (params.timestep + 1) / (checkpoint.timesteps ?? Infinity));
    return {
      problems,
      ...samplingFacts(checkpoint, params, { count, walks: count * share, inputs, classes: null }),
    };
  },
});
