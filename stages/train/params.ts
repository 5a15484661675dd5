import { z } from "zod";
import { execution, extent, legacy } from "../../schemas/roles.ts";
import { longRunningParams, positiveInt } from "../shared/common_params.ts";

/** The U-Net of Ho et al. 2020, appendix B. */
export const modelParams = z.strictObject({
  channels: positiveInt(4096).default(128).describe("Width of the first level"),
  multipliers: z.array(positiveInt(64)).min(1).max(8).default([1, 2, 2, 2]).describe(
    "Width of each level, in channels",
  ),
  blocks: positiveInt(16).default(2).describe("Residual blocks per level"),
  attention: z.array(positiveInt(4096)).max(8).default([16]).describe("Resolutions with self-attention"),
});

export const emaParams = z.strictObject({
  decay: z.number().min(0).lt(1).default(0.9999).describe("Decay per step once warmed up"),
  warmup: z.boolean().default(true).describe(
    "Start low and rise to decay: min(decay, (1 + step) / (10 + step)). Without it a short run averages in its noise",
  ),
});

/** Params of kind `train`. */
export const trainParams = z.strictObject({
  model: modelParams.prefault({}),
  steps: extent(positiveInt(100_000_000).describe("Train until this step; raising it continues")),
  batchSize: positiveInt(65_536).default(128),
  microBatches: legacy(
    positiveInt(4_096).default(1).describe(
      "Take the batch through the network in so many equal parts and add up their gradients: less memory, same batch",
    ),
    1,
  ),
  learningRate: z.number().positive().max(1).default(2e-4),
  warmupSteps: z.int().min(0).max(10_000_000).default(0).describe("Linear warmup of the learning rate"),
  // Without a default: older results have no decay, and keep their keys.
  learningRateDecay: z.strictObject({
    shape: z.enum(["linear", "cosine"]).describe("Of the way down from the end of the warmup"),
    until: positiveInt(100_000_000).describe(
      "The step at which it is over. Not the number of steps, so that a longer run continues a shorter one",
    ),
    floor: z.number().positive().max(1).default(0.01).describe("Share of learningRate that is left from then on"),
  }).optional().describe("Lower the learning rate after the warmup; default: keep it"),
  gradClip: z.number().positive().default(1).describe("Largest global norm of the gradient"),
  ema: emaParams.prefault({}),
  dropout: legacy(
    z.number().min(0).lt(1).default(0).describe(
      "Probability that an activation of a residual block is dropped while training. Ho et al.: 0.1 for CIFAR10, else 0",
    ),
    0,
  ),
  objective: legacy(
    z.enum(["eps", "x0", "mu", "v"]).default("eps").describe(
      "What the network predicts: the noise (eps), the image (x0), the mean of the next step (mu), or v = sqrt(A) eps - " +
        "sqrt(1 - A) x0. See docs/objectives.md",
    ),
    "eps",
  ),
  weighting: legacy(
    z.enum(["simple", "vlb", "min-snr"]).default("simple").describe(
      "How much each timestep counts: all alike (simple), as in the variational bound (vlb), or min-SNR of Hang et al. 2023",
    ),
    "simple",
  ),
  minSnrGamma: legacy(
    z.number().positive().default(5).describe("Of weighting min-snr: where the signal-to-noise ratio is cut off"),
    5,
  ),
  variance: legacy(
    z.enum(["fixedlarge", "fixedsmall", "learned"]).default("fixedlarge").describe(
      "Variance of the reverse step. learned: by the network, in twice as many output channels (Nichol and Dhariwal " +
        "2021). Which fixed one matters under weighting vlb only",
    ),
    "fixedlarge",
  ),
  timestepSampler: legacy(
    z.enum(["uniform", "loss-aware"]).default("uniform").describe(
      "How timesteps are drawn; loss-aware: more often where the loss is large, weighted to the same mean (Nichol and " +
        "Dhariwal 2021), for weighting vlb",
    ),
    "uniform",
  ),
  // Without a default: older networks are told no labels, and keep their keys.
  labels: z.strictObject({
    drop: z.number().min(0).lt(1).default(0.1).describe(
      "Probability that an image's label is kept from the network, which so learns to draw without; for guidance",
    ),
  }).optional().describe("Tell the network the labels of the images; default: not"),
  flip: legacy(
    z.boolean().default(false).describe(
      "Mirror each image left to right with probability 1/2, drawn anew at each step",
    ),
    false,
  ),
  lossBuckets: legacy(
    z.int().min(0).max(1_000).default(0).describe("Also log the loss by so many equal ranges of t; 0: overall only"),
    0,
  ),
  checkpointEvery: execution(
    positiveInt(100_000_000).optional().describe("Also save for resuming after so many steps; default: by time alone"),
  ),
  ...longRunningParams(),
});

export type TrainParams = z.output<typeof trainParams>;
