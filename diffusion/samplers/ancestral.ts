import type { DiffusionTables } from "../schedule/tables.ts";
import type { ReverseStep } from "./reverse_step.ts";

/**
 * Variance of the reverse step (Ho et al. 2020, section 3.2): `fixedsmall` is the posterior's, right for data that is
 * one point; `fixedlarge` is beta, right for data N(0, I).
 */
export type ReverseVariance = "fixedsmall" | "fixedlarge";

/**
 * The paper's sampler (algorithm 2) over all T steps, from t = T - 1 down to 0: the posterior mean at the clipped x0,
 * plus noise at every step but the last.
 */
export function ancestralSteps(
  tables: DiffusionTables,
  options: { readonly variance: ReverseVariance },
): ReverseStep[] {
  const { variance } = options;
  if (variance !== "fixedsmall" && variance !== "fixedlarge") {
    throw new RangeError(`Reverse variance: got ${JSON.stringify(variance)}, wanted "fixedsmall" or "fixedlarge"`);
  }
  const variances = variance === "fixedsmall" ? tables.posteriorVariance : tables.betas;
  return Array.from({ length: tables.timesteps }, (_, i) => {
    const t = tables.timesteps - 1 - i;
    return {
      t,
      recip: tables.sqrtRecipAlphasCumprod[t]!,
      recipm1: tables.sqrtRecipm1AlphasCumprod[t]!,
      coefX0: tables.posteriorMeanCoef1[t]!,
      coefXt: tables.posteriorMeanCoef2[t]!,
      sigma: t === 0 ? 0 : Math.sqrt(variances[t]!),
    };
  });
}
