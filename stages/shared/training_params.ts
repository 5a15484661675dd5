import { z } from "zod";
import { ADAM } from "../../science/diffusion/recipe.ts";
import { execution, extent, legacy } from "../../schemas/roles.ts";
import { AVERAGE_NAME, positiveInt } from "./common_params.ts";

const averageName = z.string().regex(AVERAGE_NAME, "a name of small letters, digits, - and _, other than raw and ema");

const emaParams = z.strictObject({
  decay: z.number().min(0).lt(1).default(0.9999).describe("Decay of the average at each step, once warmed up"),
  warmup: z.boolean().default(true).describe(
    "Start with a low decay: min(decay, (1 + step) / (10 + step)). Without it, the average of a short run is still " +
      "mostly the initial weights",
  ),
  // No default: older trainings have one average, and keep their keys.
  others: z.record(averageName, z.number().min(0).lt(1)).optional().describe(
    "Further averages by name, each with its decay, such as { fast: 0.999 }; `weights` of other stages names one",
  ),
});

const beta = () => z.number().min(0).lt(1);

const adamParams = z.strictObject({
  beta1: beta().default(ADAM.beta1).describe("Decay of the mean of the gradients"),
  beta2: beta().default(ADAM.beta2).describe("Decay of the mean of the squared gradients"),
  epsilon: z.number().min(1e-16).max(1).default(ADAM.epsilon).describe(
    "Added to the root of the mean of the squared gradients",
  ),
  weightDecay: z.number().min(0).max(1).default(ADAM.weightDecay).describe(
    "Shrink each parameter by learningRate times this at each step, apart from its gradient: AdamW",
  ),
});

/** Params of a training of any network: its steps, batches, optimizer and averages. */
export const trainingParams = () => ({
  steps: extent(positiveInt(100_000_000).describe("Train until this step; raising it continues")),
  batchSize: positiveInt(65_536).default(128).describe("Images per step"),
  microBatches: legacy(
    positiveInt(4_096).default(1).describe("Gradient accumulation: parts of each batch. Less memory, same batch"),
    1,
  ),
  learningRate: z.number().positive().max(1).default(2e-4).describe("Learning rate of Adam"),
  warmupSteps: z.int().min(0).max(10_000_000).default(0).describe("Steps of linear warmup of the learning rate"),
  // No default: older results have no decay, and keep their keys.
  learningRateDecay: z.strictObject({
    shape: z.enum(["linear", "cosine"]).describe("Shape of the decay, which starts when the warmup ends"),
    until: positiveInt(100_000_000).describe(
      "Step at which the decay ends, whatever steps is, so that it can be raised",
    ),
    floor: z.number().min(0).max(1).default(0.01).describe("Fraction of learningRate that remains from then on"),
  }).optional().describe("Decay of the learning rate after the warmup; default: none"),
  adam: legacy(adamParams.prefault({}).describe("Constants of Adam; with weightDecay, AdamW"), { ...ADAM }),
  gradClip: z.number().positive().max(3.4e38).default(1).describe("Clip the gradient to this global norm"),
  ema: emaParams.prefault({}).describe("Exponential moving average of the weights"),
  checkpointEvery: execution(
    positiveInt(100_000_000).optional().describe("Also save for resuming every so many steps; default: by time only"),
  ),
});

/** Those that change what a training learns, and not how long it takes. */
export const UNTIMED_TRAINING_PARAMS: readonly string[] = //
  ["learningRate", "warmupSteps", "learningRateDecay", "adam", "gradClip", "ema.decay", "ema.warmup"];

const schema = z.object(trainingParams());

export type TrainingParams = z.output<typeof schema>;
