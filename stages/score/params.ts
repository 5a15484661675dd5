import { z } from "zod";
import { positiveInt, threadsParam } from "../shared/common_params.ts";

/** Params of kind `score`. */
export const scoreParams = z.strictObject({
  features: z.enum(["pixels"]).default("pixels").describe(
    "Of images on the inputs: average-pooled pixel values. A sanity check, not FID: no learned network is involved",
  ),
  fd: z.boolean().default(true).describe("The Frechet distance; called FID for the 2015-12-05 Inception network alone"),
  bootstrap: z.int().min(0).max(10_000).default(0).describe(
    "Resample both sets so often, for the spread of the Frechet distance; 0: none",
  ),
  fdInfinity: z.boolean().default(false).describe("The Frechet distance, extrapolated to infinitely many images"),
  kid: z.strictObject({
    subsets: positiveInt(10_000).default(100),
    size: z.int().min(2).max(100_000).default(1_000).describe("Images of a subset"),
  }).optional().describe("The kernel distance of Binkowski et al. 2018, over random subsets"),
  manifold: z.strictObject({
    neighbours: positiveInt(1_000).default(3),
    limit: positiveInt(1_000_000).default(10_000).describe("Use only the first so many of each set"),
  }).optional().describe("Improved precision and recall, density and coverage"),
  inceptionScore: z.strictObject({ splits: positiveInt(1_000).default(10) }).optional().describe(
    "Of the fake images, where their extractor gives logits",
  ),
  perClass: z.boolean().default(false).describe(
    "Also the Frechet distance label by label, where both sets have labels",
  ),
  threads: threadsParam(),
});

export type ScoreParams = z.output<typeof scoreParams>;
