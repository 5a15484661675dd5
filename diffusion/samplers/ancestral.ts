import { respacedBetas, spaceTimesteps } from "../schedule/respace.ts";
import { type DiffusionTables, makeTables } from "../schedule/tables.ts";
import type { ReverseStep } from "./reverse_step.ts";

/**
 * Variance of the reverse step (Ho et al. 2020, section 3.2): `fixedsmall` is the posterior's, right for data that is
 * one point; `fixedlarge` is beta, right for data N(0, I); `learned` is between them, by a network that was trained for
 * it (Nichol & Dhariwal 2021).
 */
export type ReverseVariance = "fixedsmall" | "fixedlarge" | "learned";

export interface AncestralOptions {
  readonly variance: ReverseVariance;
  /** How many of the T timesteps are visited, spread evenly from 0 to T - 1; at least 2 where T is. Default: all. */
  readonly steps?: number;
}

/**
 * The paper's sampler (algorithm 2), from t = T - 1 down to 0: the posterior mean at the clipped x0, plus noise at every
 * step but the last. With fewer steps, over the chain that visits only those timesteps (openai/improved-diffusion,
 * `respace.py`): its betas are larger, and its posterior and variances are its own.
 *
 * @throws RangeError when an option is out of range.
 */
export function ancestralSteps(tables: DiffusionTables, options: AncestralOptions): ReverseStep[] {
  const { variance, steps = tables.timesteps } = options;
  if (variance !== "fixedsmall" && variance !== "fixedlarge" && variance !== "learned") {
    throw new RangeError(
      `Reverse variance: got ${JSON.stringify(variance)}, wanted "fixedsmall", "fixedlarge" or "learned"`,
    );
  }
  // A single step would be at t = 0, where the network takes noise for an image.
  if (steps === 1 && tables.timesteps > 1) throw new RangeError("Ancestral steps: got 1, wanted at least 2");
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
