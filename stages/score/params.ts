import { z } from "zod";
import { hasSize, type ImageFacts } from "../../artifacts/facts.ts";
import { execution } from "../../schemas/roles.ts";
import { positiveInt, threadsParam } from "../shared/common_params.ts";

/** Params of kind `score`. */
export const scoreParams = z.strictObject({
  features: z.enum(["pixels"]).default("pixels").describe(
    "Features of inputs that are images: average-pooled pixels. A sanity check, not FID: no network is involved",
  ),
  fd: z.boolean().default(true).describe("The Frechet distance; called FID only for the 2015-12-05 Inception network"),
  bootstrap: z.int().min(0).max(10_000).default(0).describe(
    "Random divisions of both sets into halves and quarters, for the deviation of fd: six distances each",
  ),
  fdInfinity: z.boolean().default(false).describe("Also extrapolate the Frechet distance to infinitely many images"),
  kid: z.strictObject({
    subsets: positiveInt(10_000).default(100).describe("Number of random subsets"),
    size: z.int().min(2).max(100_000).default(1_000).describe("Images per subset"),
  }).optional().describe("KID: the kernel distance of Binkowski et al. 2018 over random subsets"),
  manifold: z.strictObject({
    neighbours: positiveInt(1_000).default(3).describe("k of the k-nearest-neighbour balls"),
    limit: positiveInt(1_000_000).default(10_000).describe("Use only this many of each set, from the first on"),
  }).optional().describe("Improved precision and recall, density and coverage"),
  inceptionScore: z.strictObject({ splits: positiveInt(1_000).default(10).describe("Number of splits, in order") })
    .optional().describe("Inception Score of the fake images, if their extractor gives logits"),
  perClass: z.boolean().default(false).describe("Also the Frechet distance of each class, if both sets have labels"),
  // No default: older scores have none, and keep their keys.
  reconstruction: z.literal(true).optional().describe(
    "The fake images are reconstructions of the real ones, in the same order: also PSNR and SSIM (Wang et al. 2004)",
  ),
  // Not in the key: it refuses scores and changes none.
  atLeast: execution(z.int().min(2).max(100_000_000).default(2).describe("Refuse sets with fewer images")),
  threads: threadsParam(),
});

/**
 * True for sets of floats that are compared as points too: signals and points of few numbers. The distances between
 * their pairs cost that many products each. Undefined if only the run finds out.
 */
export function isOfVectors(set: ImageFacts = {}): boolean | undefined {
  const { dtype = "uint8" } = set;
  const isSmall = hasSize(set) ? set.height === 1 && set.width * set.channels <= 256 : undefined;
  return dtype === "float32" ? isSmall : dtype === null && isSmall !== false ? undefined : false;
}

/** Names of the scores of such sets. */
export const VECTOR_SCORES = ["energy-distance", "sliced-Wasserstein-2", "MMD2-Gaussian"] as const;

export type ScoreParams = z.output<typeof scoreParams>;
