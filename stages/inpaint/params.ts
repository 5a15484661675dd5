import { z } from "zod";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";
import { samplerParams } from "../shared/draw/params.ts";

/** Params of kind `inpaint`. */
export const inpaintParams = z.strictObject({
  count: positiveInt(100_000).default(16).describe("The first so many images"),
  region: z.enum(["center", "left", "right", "top", "bottom"]).default("center").describe(
    "What is painted anew: the half of that name, or the middle quarter",
  ),
  repeats: positiveInt(100).default(1).describe(
    "Take each reverse step so often, adding its noise again in between, so that both parts agree (Lugmayr et al. 2022)",
  ),
  sampler: samplerParams.default({ name: "ancestral", variance: "fixedlarge" }),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64),
  ...longRunningParams(),
});

export type InpaintParams = z.output<typeof inpaintParams>;
