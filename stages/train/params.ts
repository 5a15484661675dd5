import { z } from "zod";
import { augmentationParams } from "../../science/diffusion/augmentations.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { DEFAULT_OBJECTIVE, OBJECTIVE_NAMES } from "../../science/diffusion/objectives.ts";
import { samplerParams } from "../../science/diffusion/samplers.ts";
import { ownable } from "../../schemas/definitions.ts";
import { execution, legacy } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt, precisionParam, weightsParam } from "../shared/common_params.ts";
import { trainingParams } from "../shared/training_params.ts";

/** Params of kind `train`. */
export const trainParams = z.strictObject({
  model: ownable(
    z.union([BUILTIN_NETWORK.params, z.literal("start")]).prefault({}).describe(
      "The U-Net of Ho et al. 2020, or start: the network of input start",
    ),
  ),
  startWeights: legacy(
    weightsParam().describe(
      "Weights of input start that the weights and their averages start from: ema, raw or another average; all: raw, " +
        "and each average from that of the same name, which goes on",
    ),
    "ema",
  ),
  freeze: legacy(
    z.array(z.string().min(1).max(200)).max(1_000).default([]).describe(
      "Names of parameters that stay as they are, * for any text, such as down.*",
    ),
    [],
  ),
  ...trainingParams(),
  dropout: legacy(
    z.number().min(0).lt(1).default(0).describe("Dropout in the residual blocks. Ho et al.: 0.1 for CIFAR-10, else 0"),
    0,
  ),
  objective: ownable(legacy(
    z.enum(OBJECTIVE_NAMES).default(DEFAULT_OBJECTIVE).describe(
      "The quantity that the network predicts: the noise (eps), the image (x0), the mean of the next step (mu), or v = sqrt(A) eps - " +
        "sqrt(1 - A) x0. See docs/objectives.md",
    ),
    DEFAULT_OBJECTIVE,
  )),
  weighting: legacy(
    z.enum(["simple", "vlb", "min-snr"]).default("simple").describe(
      "Weights of the timesteps in the loss: all equal (simple), those of the variational bound (vlb), or min-SNR of " +
        "Hang et al. 2023",
    ),
    "simple",
  ),
  minSnrGamma: legacy(
    z.number().positive().default(5).describe(
      "For weighting min-snr: gamma, the largest signal-to-noise ratio that counts",
    ),
    5,
  ),
  variance: legacy(
    z.enum(["fixedlarge", "fixedsmall", "learned"]).default("fixedlarge").describe(
      "Variance of the reverse step. learned: predicted by the network, in twice as many output channels (Nichol and " +
        "Dhariwal 2021). The choice of a fixed one changes training under weighting vlb only",
    ),
    "fixedlarge",
  ),
  timestepSampler: legacy(
    z.enum(["uniform", "loss-aware"]).default("uniform").describe(
      "How timesteps are drawn. loss-aware: importance sampling by recent losses (Nichol and Dhariwal 2021), meant for " +
        "weighting vlb",
    ),
    "uniform",
  ),
  // No default: older networks are unconditional, and keep their keys.
  labels: z.strictObject({
    drop: z.number().min(0).lt(1).default(0.1).describe(
      "Probability that an image's label is dropped, so that the model also learns to draw without one; needed for " +
        "classifier-free guidance",
    ),
  }).optional().describe("Train a class-conditional model; default: unconditional"),
  flip: legacy(
    z.boolean().default(false).describe("Flip each image horizontally with probability 1/2 at each step"),
    false,
  ),
  // No default: older trainings have no augmentation, and keep their keys.
  augment: ownable(
    augmentationParams.optional().describe(
      "Change each image at each step before noise is added; the network is told what was done. See docs/training.md",
    ),
  ),
  lossBuckets: legacy(
    z.int().min(0).max(1_000).default(0).describe("Also log the loss by this many equal ranges of t; 0: only the mean"),
    0,
  ),
  precision: precisionParam(),
  preview: execution(
    z.strictObject({
      every: positiveInt(100_000_000).describe("Steps between two previews; the last step has one too"),
      count: positiveInt(1_024).default(16).describe("Images of each, at most 64, or points"),
      // The user's samplers are not accepted: their code would run in the process of a training without being part of
      // its key.
      sampler: samplerParams.default({ name: "ddim", steps: 20, eta: 0, spacing: "trailing" }).describe(
        "How to sample: one that comes with the toolkit",
      ),
    }).optional().describe("Also show what the averaged weights draw while training goes on; default: no previews"),
  ),
  ...longRunningParams(),
});

export type TrainParams = z.output<typeof trainParams>;
