import { z } from "zod";
import { extent, legacy } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";
import { samplerParams } from "../shared/draw/params.ts";

const label = z.union([z.int().min(0).max(255), z.string().min(1).max(255)]);
const labels = z.array(label, { error: "a list of class numbers or names" }).min(1).max(10_000);

/** Params of kind `sample`. */
export const sampleParams = z.strictObject({
  count: extent(positiveInt(10_000_000).describe("Number of images; raising it continues")),
  sampler: samplerParams.default({ name: "ddim", steps: 50, eta: 0, spacing: "trailing" }).describe("How to sample"),
  weights: weightsParam(),
  clip: legacy(
    z.enum(["unit", "dynamic", "none"]).default("unit").describe(
      "Clip the predicted x0 at each step: to [-1, 1] (unit), by dynamic thresholding (Saharia et al. 2022), or not",
    ),
    "unit",
  ),
  clipQuantile: legacy(
    z.number().positive().max(1).default(0.995).describe("For clip dynamic: the quantile of |x0| that is scaled to 1"),
    0.995,
  ),
  // Without defaults, here and below: older samples have none of these, and keep their keys.
  labels: z.union([z.enum(["cycle", "none"]), labels]).optional().describe(
    "For class-conditional models: every class in turn (cycle, the default), the classes of a list in turn, by number " +
      "or name, or none",
  ),
  guidance: legacy(
    z.number().min(0).max(100).default(1).describe(
      "Scale of classifier-free guidance (Ho and Salimans 2021): none + guidance (label - none). 1 is no guidance; any " +
        "other value costs a second evaluation per step",
    ),
    1,
  ),
  trajectory: z.strictObject({
    images: positiveInt(64).default(8).describe("How many of the first images"),
    frames: z.int().min(2).max(100).default(11).describe("Frames per image, both ends included"),
  }).optional().describe("Also show how the first images form: strips of x_t and of the predicted x0"),
  files: z.array(z.enum(["png", "npz"])).max(2).optional().describe(
    "Also write the samples for other programs: images/000000.png and so on, or samples.npz with arr_0 [N, H, W, C]",
  ),
  batchSize: positiveInt(65_536).default(64).describe("Images drawn at a time"),
  ...longRunningParams(),
});

export type SampleParams = z.output<typeof sampleParams>;
