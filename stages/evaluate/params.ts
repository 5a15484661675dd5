import { z } from "zod";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";

/** Params of kind `evaluate`. */
export const evaluateParams = z.strictObject({
  weights: weightsParam(),
  buckets: positiveInt(1_000).default(10).describe("Report the loss for each of this many equal ranges of t"),
  batchSize: positiveInt(65_536).default(100).describe("Images per evaluation of the network"),
  limit: positiveInt(100_000_000).optional().describe("Use only this many images, from the first on"),
  // Without a default: older results have no bound, and keep their keys.
  bound: z.strictObject({
    timesteps: positiveInt(1_000_000).describe(
      "Evaluations of the network per image: t = 0, and one t from each of timesteps - 1 equal ranges. T takes every " +
        "term; fewer cost less and have the same mean",
    ),
    variance: z.enum(["fixedlarge", "fixedsmall", "learned"]).optional().describe(
      "Variance of the reverse step; default: learned by networks that learned it, else fixedlarge",
    ),
    logVarianceClip: z.enum(["second", "floor"]).optional().describe(
      "The posterior variance is 0 at t = 0. second (default): take that of t = 1, as Ho et al. for CIFAR-10; floor: take " +
        "1e-20, as their LSUN code and latent diffusion. Changes L_0 with fixedsmall or learned variances",
    ),
  }).optional().describe("Also the variational bound in bits per dimension, by its terms; see docs/objectives.md"),
  ...longRunningParams(),
});

export type BoundParams = NonNullable<z.output<typeof evaluateParams>["bound"]>;
