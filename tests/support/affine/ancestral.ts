import { spaceTimesteps } from "../../../science/diffusion/schedule/respace.ts";
import { type DiffusionTables, makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { respacedBetas } from "./respaced_betas.ts";
import type { ReverseStep } from "./reverse_step.ts";

/**
 * Variance of the reverse step (Ho et al. 2020, section 3.2): `fixedsmall` is the posterior's, right for data that is
 * one point; `fixedlarge` is beta, right for data N(0, I); `learned` is between them, predicted by a network that was
 * trained to do so (Nichol & Dhariwal 2021).
 */
export type ReverseVariance = "fixedsmall" | "fixedlarge" | "learned";

export interface AncestralOptions {
  readonly variance: ReverseVariance;
  /**
   * Number of the T timesteps that are visited, spread evenly from 0 to T - 1. Default: all. At least 2 if T is: a
   * single step would be at t = 0, where the network mistakes noise for an image.
   */
  readonly steps?: number;
}

/**
 * The paper's sampler (algorithm 2), from t = T - 1 down to 0: the posterior mean at the clipped x0, plus noise at
 * every step but the last. With fewer steps, it samples the chain that visits only those timesteps
 * (openai/improved-diffusion, `respace.py`): that chain has larger betas, and its own posterior and variances.
 */
export function ancestralSteps(tables: DiffusionTables, options: AncestralOptions): ReverseStep[] {
  const { variance, steps = tables.timesteps } = options;
  const kept = spaceTimesteps(tables.timesteps, steps);
  const chain = steps === tables.timesteps ? tables : makeTables(respacedBetas(tables.betas, kept));
  return kept.map((t, i): ReverseStep => {
    const common = { t, coefX0: chain.posteriorMeanCoef1[i]!, coefXt: chain.posteriorMeanCoef2[i]! };
    if (variance === "learned") {
      const logVariances = { min: chain.posteriorLogVarianceClipped[i]!, max: Math.log(chain.betas[i]!) };
      return { ...common, coefExtra: i === 0 ? 0 : 1, extra: i === 0 ? "none" : "noise", logVariances };
    }
    const variances = variance === "fixedsmall" ? chain.posteriorVariance : chain.betas;
    const deviation = i === 0 ? 0 : Math.sqrt(variances[i]!);
    return { ...common, coefExtra: deviation, extra: deviation === 0 ? "none" : "noise" };
  }).reverse();
}
