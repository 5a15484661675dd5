import type { CheckpointFacts, ImageFacts } from "../../../artifacts/facts.ts";
import type { CheckProblem } from "../../../contract/stage.ts";
import { unetWork } from "../../train/work.ts";
import { checkMost, checkSameSize, problemsOf } from "../checks.ts";
import type { SamplerParams } from "./params.ts";

/** Fewer than this share of all steps with `fixedlarge` leave images of noise. */
const FIXEDLARGE_SHARE = 0.1;

/** Everything about a sampler that does not fit its chain; warnings too. */
export function checkSampler(
  sampler: SamplerParams,
  { timesteps, learnedVariance }: Pick<CheckpointFacts, "timesteps" | "learnedVariance">,
): CheckProblem[] {
  if (sampler.name === "heun") {
    const { sigmaMin, sigmaMax } = sampler;
    return problemsOf(
      sigmaMin !== undefined && sigmaMax !== undefined && sigmaMin >= sigmaMax && {
        param: ["sampler", "sigmaMin"],
        message: "the lowest noise level must be below the highest",
        got: `sigmaMin ${sigmaMin}, sigmaMax ${sigmaMax}`,
        wanted: "sigmaMin below sigmaMax",
        fix: "leave both out to use those of the schedule",
      },
    );
  }
  const message = "a sampler visits each timestep of the schedule at most once";
  const what = ", the timesteps of the checkpoint's schedule";
  return problemsOf(
    checkMost(["sampler", "steps"], sampler.steps ?? 0, timesteps, { message, what }),
    sampler.name === "ancestral" && checkVariance(["sampler", "variance"], sampler.variance, learnedVariance),
    sampler.name === "ancestral" && timesteps !== undefined && checkFixedLarge(sampler, timesteps),
  );
}

/** Whether the network has the variance that is asked of it. */
export function checkVariance(
  param: readonly string[],
  variance: string | undefined,
  learned: boolean,
): CheckProblem[] {
  if (variance !== "learned" || learned) return [];
  return [{
    param,
    message: "the network of the checkpoint did not learn a variance",
    got: "learned",
    wanted: "fixedsmall or fixedlarge",
    fix: "use one of them, or train with variance: learned",
  }];
}

/**
 * Betas of a shortened chain are far above its posterior variances. Published FID on CIFAR10, fixedlarge against
 * fixedsmall: 367 and 41 for 10 steps, 9.99 and 5.78 for 100 (Song et al. 2021, table 1).
 */
function checkFixedLarge(
  { variance, steps }: SamplerParams & { name: "ancestral" },
  timesteps: number,
): CheckProblem[] {
  if (variance !== "fixedlarge" || steps === undefined || steps >= timesteps) return [];
  const tooFew = steps < timesteps * FIXEDLARGE_SHARE;
  return [{
    severity: tooFew ? "error" : "warning",
    param: ["sampler", "variance"],
    message: tooFew
      ? "with variance fixedlarge, this few ancestral steps leave only noise"
      : "ancestral sampling that skips steps is noisier with variance fixedlarge than with fixedsmall",
    got: `${steps} of ${timesteps} steps`,
    wanted: tooFew ? `at least ${Math.ceil(timesteps * FIXEDLARGE_SHARE)} steps, or another variance` : "fixedsmall",
    fix: "use variance: fixedsmall, or sampler ddim",
  }];
}

/**
 * What keeps a stage from walking through the chain itself, step by step, with images that are given.
 * @param why samplers that look back at the step before cannot serve it
 */
export function checkWalk(
  sampler: SamplerParams,
  { checkpoint, images }: {
    readonly checkpoint: CheckpointFacts | undefined;
    readonly images: ImageFacts | undefined;
  },
  why: string,
): CheckProblem[] {
  return problemsOf(
    checkpoint !== undefined && checkSampler(sampler, checkpoint),
    (sampler.name === "dpmpp-2m" || sampler.name === "heun") && {
      param: ["sampler", "name"],
      message: why,
      got: sampler.name,
      wanted: "ancestral or ddim",
      fix: "use sampler: { name: ddim }",
    },
    checkSameSize("images", images, { name: "those of the checkpoint", size: checkpoint }),
  );
}

/** Evaluations of the network for each image: as many as `samplerSteps`, or for `heun` at most. @param timesteps T */
export function evaluationsOf(sampler: SamplerParams, timesteps: number): number {
  if (sampler.name === "heun") return 2 * Math.min(sampler.steps, timesteps) - 1;
  return sampler.steps ?? timesteps;
}

/**
 * What is known of images that a network will draw, and of the work.
 * @param walks images that are walked through the chain, or shares of them
 */
export function drawingFacts(
  { height, width, channels, timesteps, network }: CheckpointFacts,
  { sampler, batchSize }: { readonly sampler: SamplerParams; readonly batchSize: number },
  { count, walks, classes }: {
    readonly count: number;
    readonly walks: number;
    readonly classes?: number | null | undefined;
  },
) {
  const passes = timesteps === undefined ? undefined : walks * evaluationsOf(sampler, timesteps);
  const samples = { count, height, width, channels, ...(classes === undefined ? {} : { classes }) };
  return { facts: { samples }, ...unetWork(network, passes, batchSize) };
}
