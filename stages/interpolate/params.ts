import { z } from "zod";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";
import { samplerParams } from "../shared/draw/params.ts";

/** Params of kind `interpolate`. */
export const interpolateParams = z.strictObject({
  pairs: positiveInt(1_000).default(8).describe("Images 0 and 1 are the first pair, 2 and 3 the second"),
  points: z.int().min(2).max(64).default(9).describe("Images from one end to the other, both ends included"),
  timestep: z.int().min(0).max(1_000_000).describe("Where the noised images are mixed. Ho et al.: 500 of 1000"),
  sampler: samplerParams.default({ name: "ancestral", variance: "fixedlarge" }).describe("How to sample"),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64).describe("Images drawn at a time"),
  ...longRunningParams(),
});
