import { z } from "zod";
import { extent, legacy } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";
import { samplerParams } from "../shared/draw/params.ts";

const label = z.union([z.int().min(0).max(255), z.string().min(1).max(255)]);
const labels = z.array(label, { error: "a list of class numbers or names" }).min(1).max(10_000);

/** Params of kind `sample`. */
export const sampleParams = z.strictObject({
  count: extent(positiveInt(10_000_000).describe("How many images; raising it continues")),
  sampler: samplerParams.default({ name: "ddim", steps: 50, eta: 0, spacing: "trailing" }),
  weights: weightsParam(),
  clip: legacy(
    z.enum(["unit", "dynamic", "none"]).default("unit").describe(
      "Bound the predicted image at each step: to [-1, 1] (unit), by dynamic thresholding of Saharia et al. 2022, or not",
    ),
    "unit",
  ),
  clipQuantile: legacy(
    z.number().positive().max(1).default(0.995).describe("Of clip dynamic: the quantile of |x0| that is brought to 1"),
    0.995,
  ),
  // Without defaults, here and below: older samples have none of these, and keep their keys.
  labels: z.union([z.enum(["cycle", "none"]), labels]).optional().describe(
    "For networks that were told labels: each label in turn (cycle, the default), those of a list in turn, by number " +
      "or name, or none",
  ),
  guidance: legacy(
    z.number().min(0).max(100).default(1).describe(
      "Classifier-free guidance of Ho and Salimans 2021: none + guidance (label - none). 1 asks the network once, any " +
        "other number twice",
    ),
    1,
  ),
  trajectory: z.strictObject({
    images: positiveInt(64).default(8),
    frames: z.int().min(2).max(100).default(11),
  }).optional().describe("Also draw how the first images came about: film strips of x_t and of the predicted x0"),
  files: z.array(z.enum(["png", "npz"])).max(2).optional().describe(
    "Also write the samples for other programs: images/000000.png and so on, or samples.npz with arr_0 [N, H, W, C]",
  ),
  batchSize: positiveInt(65_536).default(64),
  ...longRunningParams(),
});

export type SampleParams = z.output<typeof sampleParams>;
