import type { SamplerParams } from "../../sample/params.ts";
import type { CheckProblem } from "../../../contract/stage.ts";

/** What is known of the checkpoint that a sampler walks with. */
export interface SampledChain {
  /** T; what depends on it is not checked when it is not known. */
  readonly timesteps?: number | undefined;
  readonly learnedVariance: boolean;
}

/** Fewer than this share of all steps with `fixedlarge` leave images of noise. */
const FIXEDLARGE_SHARE = 0.1;

/** Everything about a sampler that does not fit its chain; warnings too. */
export function checkSampler(sampler: SamplerParams, { timesteps, learnedVariance }: SampledChain): CheckProblem[] {
  const problems: CheckProblem[] = [];
  if (sampler.name === "heun") {
    const { sigmaMin, sigmaMax } = sampler;
    if (sigmaMin !== undefined && sigmaMax !== undefined && sigmaMin >= sigmaMax) {
      problems.push({
        param: ["sampler", "sigmaMin"],
        message: "the lowest noise level must be below the highest",
        got: `sigmaMin ${sigmaMin}, sigmaMax ${sigmaMax}`,
        wanted: "sigmaMin below sigmaMax",
        fix: "leave both out to use those of the schedule",
      });
    }
    return problems;
  }
  if (timesteps !== undefined && sampler.steps !== undefined && sampler.steps > timesteps) {
    problems.push({
      param: ["sampler", "steps"],
      message: "a sampler visits each timestep of the schedule at most once",
      got: `${sampler.steps} steps`,
      wanted: `at most ${timesteps}, the timesteps of the checkpoint's schedule`,
      fix: `use steps: ${timesteps} or fewer`,
    });
  }
  if (sampler.name !== "ancestral") return problems;
  problems.push(...checkVariance(["sampler", "variance"], sampler.variance, learnedVariance));
  if (timesteps !== undefined) problems.push(...checkFixedLarge(sampler, timesteps));
  return problems;
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
