import { z } from "zod";
import { type CheckpointFacts, type ImageFacts, readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../engine/contract/stage.ts";
import { checkVariance } from "../../science/diffusion/samplers/ancestral.ts";
import { checkMost, checkSameClasses, checkSameSize, checkWeightsName, problemsOf } from "../shared/checks.ts";
import { longRunningParams, positiveInt, weightsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { networkWork } from "../shared/work.ts";

const evaluateParams = z.strictObject({
  weights: weightsParam(),
  buckets: positiveInt(1_000).default(10).describe("Report the loss for each of this many equal ranges of t"),
  batchSize: positiveInt(65_536).default(100).describe("Images per evaluation of the network"),
  limit: positiveInt(100_000_000).optional().describe("Use only this many images, from the first on"),
  // No default: older results have no bound, and keep their keys.
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

type BoundParams = NonNullable<z.output<typeof evaluateParams>["bound"]>;

export const evaluateKind = defineKind({
  kind: "evaluate",
  version: 7,
  entry: import.meta.resolve("./run.ts"),
  summary: "Loss and likelihood of a checkpoint on held-out images, overall and by timestep",
  params: evaluateParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to measure" },
    images: { type: "images", description: "Images held out from training" },
  },
  outputs: {
    metrics: {
      type: "metrics",
      description: "L_simple of Ho et al. 2020, eq. 14; with bound, their eq. 5 by its terms",
    },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const images = readImageFacts(inputs.images);
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    const { buckets, limit = Infinity, bound } = params;
    const most = images?.count === undefined ? undefined : Math.min(images.count, limit);
    const problems = problemsOf(
      checkMost(["buckets"], buckets, most, { message: "more buckets than images to fill them" }),
      checkMost(["buckets"], buckets, checkpoint?.timesteps, {
        message: "more buckets than timesteps",
      }),
      checkWeightsName(params.weights, checkpoint),
      bound !== undefined && checkpoint !== undefined && checkBound(bound, checkpoint),
      bound !== undefined && checkpoint?.dtype === "float32" && {
        param: ["bound"],
        message: "bits per dimension count the bins of integers, and floats have none",
        got: checkpoint.latent !== undefined ? "latents of an autoencoder" : "images of float32",
        wanted: "images of uint8 or uint16",
        fix: "remove bound: L_simple is there for all images",
      },
      checkpoint?.ownSampler !== undefined && {
        input: "checkpoint",
        message: "the objective of the checkpoint does not say how its output gives x_0, which the loss is measured by",
        got: `an objective for the sampler ${checkpoint.ownSampler} alone`,
        wanted: "an objective with a target, or a recover",
        fix: "give the objective a recover, and train again",
      },
      checkSameSize("images", images, { name: "those of the checkpoint", size: checkpoint }),
      checkSameClasses("images", images, { name: "those of the checkpoint", labels: checkpoint }),
    );
    const depths = checkpoint?.dtype === null ? ["uint8", "uint16"] as const : [checkpoint?.dtype];
    const bits = bound === undefined ? [] : depths.map(bitsOf).flatMap((name) => [name, `${name} L_T`]);
    const names = ["L_simple", ...bits];
    const facts = { metrics: { names } };
    if (most === undefined) return { problems, facts };
    const evaluations = 1 + (bound?.timesteps ?? 0);
    const batch = Math.min(params.batchSize, most);
    return { problems, facts, ...networkWork(checkpoint?.network, most * evaluations, batch) };
  },
});

/** Returns the name of the bound of images of a depth: it is never compared with that of another. */
export const bitsOf = (dtype: ImageFacts["dtype"]) => dtype === "uint16" ? "bits/dim of 16 bits" : "bits/dim";

function checkBound(
  { timesteps: wanted, variance }: BoundParams,
  { timesteps, learnedVariance, variancePreserving }: CheckpointFacts,
): CheckProblem[] {
  return problemsOf(
    timesteps !== undefined && (wanted > timesteps || wanted < Math.min(2, timesteps)) && {
      param: ["bound", "timesteps"],
      message: "the bound evaluates t = 0 and some of the other timesteps, each at most once",
      got: `${wanted}`,
      wanted: `2 to ${timesteps}, the timesteps of the checkpoint's schedule`,
      fix: `use timesteps: ${Math.min(timesteps, 20)}`,
    },
    checkVariance(["bound", "variance"], variance, learnedVariance),
    !variancePreserving && {
      param: ["bound"],
      message: "the bound is that of a chain, and the noise path of the checkpoint does not preserve the variance",
      got: "a path of another sort",
      wanted: "signal^2 + noise^2 = 1",
      fix: "remove bound: L_simple is there for every path",
    },
  );
}
