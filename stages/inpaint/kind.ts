import { z } from "zod";
import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { checkDecoder, checkMost, decoderInput, problemsOf } from "../shared/checks.ts";
import { positiveInt } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { checkSampling, samplingFacts, samplingParams } from "../shared/draw/check.ts";

export const inpaintKind = defineKind({
  kind: "inpaint",
  version: 7,
  entry: import.meta.resolve("./run.ts"),
  summary: "Inpaint a region of images; with latents, known pixels pass through the decoder and change slightly",
  params: z.strictObject({
    count: positiveInt(100_000).default(16).describe("Number of images, from the first on"),
    region: z.enum(["center", "left", "right", "top", "bottom"]).default("center").describe(
      "The half to fill in, or the middle quarter",
    ),
    repeats: positiveInt(100).default(1).describe(
      "Times to take each reverse step, so that the parts fit (Lugmayr et al. 2022)",
    ),
    ...samplingParams(),
  }),
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
    images: { type: "images", description: "Images to inpaint" },
    autoencoder: decoderInput,
  },
  outputs: {
    samples: { type: "samples", description: "The inpainted images, with a picture of both versions" },
  },
  seeded: true,
  definitions: { sampler: "sampler" },
  device: findStageDevice,
  check(params, inputs, own) {
    const [checkpoint, images] = [readCheckpointFacts(inputs.checkpoint), readImageFacts(inputs.images)];
    const { count, repeats } = params;
    const problems = problemsOf(
      checkSampling(params, { checkpoint, images, own: own?.["sampler"] }),
      checkDecoder("checkpoint", checkpoint, inputs),
      checkMost(["count"], count, images?.count, { message: "there are not that many images" }),
    );
    if (checkpoint === undefined) return { problems };
    return { problems, ...samplingFacts(checkpoint, params, { count, walks: count * repeats, inputs, classes: null }) };
  },
});
