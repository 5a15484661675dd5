import { z } from "zod";
import { extent, legacy } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt, weightsParam } from "../../schemas/common_params.ts";

const spacing = () =>
  z.enum(["leading", "trailing"]).default("trailing").describe(
    "Which timesteps are visited: trailing ends at T - 1, leading starts at 0; see docs/samplers.md",
  );

const label = z.union([z.int().min(0).max(255), z.string().min(1).max(255)]);
const labels = z.array(label, { error: "a list of class numbers or names" }).min(1).max(10_000);

/** How to walk back from x_T to x_0. */
export const samplerParams = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("ancestral").describe("Algorithm 2 of Ho et al. 2020"),
    variance: z.enum(["fixedsmall", "fixedlarge", "learned"]).default("fixedlarge").describe(
      "Reverse variance: posterior (fixedsmall), beta (fixedlarge), or learned by a network that was trained for it",
    ),
    // Without a default: a nested param with one would enter the keys of older results.
    steps: z.int().min(2).max(1_000_000).optional().describe(
      "Number of timesteps visited; default: all T. Few steps need variance fixedsmall or learned",
    ),
  }),
  z.strictObject({
    name: z.literal("ddim").describe("Song et al. 2021: few steps"),
    steps: positiveInt(1_000_000).default(50).describe("Number of timesteps visited"),
    eta: z.number().min(0).max(1).default(0).describe("0: deterministic; 1: as noisy as ancestral sampling"),
    spacing: spacing(),
  }),
  z.strictObject({
    name: z.literal("dpmpp-2m").describe("DPM-Solver++(2M), Lu et al. 2022: second order, fewest steps"),
    steps: positiveInt(1_000_000).default(20).describe("Number of timesteps visited"),
    spacing: spacing(),
  }),
  z.strictObject({
    name: z.literal("heun").describe("Karras et al. 2022: second order, 2 steps - 1 evaluations of the network"),
    steps: positiveInt(1_000_000).default(18).describe("Number of noise levels"),
    sigmaMin: z.number().positive().optional().describe("Lowest noise level; default: 0.002 or the chain's own lowest"),
    sigmaMax: z.number().positive().optional().describe("Highest noise level; default: 80 or the chain's own highest"),
    rho: z.number().positive().default(7).describe("Higher values put more of the levels at low noise"),
  }),
]);

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

export type SamplerParams = z.output<typeof samplerParams>;
export type SampleParams = z.output<typeof sampleParams>;
