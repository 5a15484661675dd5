import { z } from "zod";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";
import { samplerParams } from "../shared/draw/params.ts";

/** Params of kind `inpaint`. */
export const inpaintParams = z.strictObject({
  count: positiveInt(100_000).default(16).describe("Number of images, from the first on"),
  region: z.enum(["center", "left", "right", "top", "bottom"]).default("center").describe(
    "The half to fill in, or the middle quarter",
  ),
  repeats: positiveInt(100).default(1).describe(
    "Times to take each reverse step, so that the parts fit (Lugmayr et al. 2022)",
  ),
  sampler: samplerParams.default({ name: "ancestral", variance: "fixedlarge" }).describe("How to sample"),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64).describe("Images drawn at a time"),
  ...longRunningParams(),
});

export type InpaintParams = z.output<typeof inpaintParams>;
