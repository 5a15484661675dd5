import type { AtStep } from "./gaussian_float64.ts";
import type { DiffusionTables } from "./schedule/tables.ts";

/**
 * What a network is trained to predict of x_t = sqrt(A) x_0 + sqrt(1 - A) eps:
 * `eps`, the noise (Ho et al. 2020, eq. 12); `x0`, the image; `mu`, the mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020,
 * eq. 8); `v` = sqrt(A) eps - sqrt(1 - A) x_0 (Salimans & Ho 2022).
 *
 * Each target is a mixture of x_0 and eps, so that a prediction gives x_0 and eps back as mixtures of itself and x_t,
 * with factors that depend on t alone. Losses, samplers and likelihoods need no more than these factors (float64).
 */
export const OBJECTIVES = ["eps", "x0", "mu", "v"] as const;

export type Objective = typeof OBJECTIVES[number];

/** target = x0 x_0 + noise eps. */
export interface TargetMixture {
  readonly x0: number;
  readonly noise: number;
}

/** recovered = xt x_t + output (the network's output). */
export interface Recovery {
  readonly xt: number;
  readonly output: number;
}

/** What a network of this objective should say. @param at.t integer in [0, T) */
export function targetMixture(objective: Objective, at: AtStep): TargetMixture {
  const { signal, noise, coefXt, previousSignal } = factorsAt(at);
  switch (objective) {
    case "eps":
      return { x0: 0, noise: 1 };
    case "x0":
      return { x0: 1, noise: 0 };
    case "v":
      return { x0: -noise, noise: signal };
    // c1 + c2 sqrt(A_t) = sqrt(A_{t-1}).
    case "mu":
      return { x0: previousSignal, noise: coefXt * noise };
  }
}

/** x_0 from a prediction, not clipped. Infinite for `eps` where A is 0. @param at.t integer in [0, T) */
export function x0Recovery(objective: Objective, at: AtStep): Recovery {
  const { signal, noise, coefX0, coefXt, recip, recipm1 } = factorsAt(at);
  switch (objective) {
    case "eps":
      return { xt: recip, output: -recipm1 };
    case "x0":
      return { xt: 0, output: 1 };
    case "v":
      return { xt: signal, output: -noise };
    case "mu":
      return { xt: -coefXt / coefX0, output: 1 / coefX0 };
  }
}

/** eps from a prediction: the noise that its x_0, not clipped, leaves of x_t. @param at.t integer in [0, T) */
export function epsRecovery(objective: Objective, at: AtStep): Recovery {
  const { signal, noise } = factorsAt(at);
  if (objective === "eps") return { xt: 0, output: 1 };
  // The difference 1 - A of the general form cancels where A is near 1.
  if (objective === "v") return { xt: noise, output: signal };
  const x0 = x0Recovery(objective, at);
  return { xt: (1 - signal * x0.xt) / noise, output: -signal * x0.output / noise };
}

/** What the square of an error of x_0 is multiplied with to be that of the prediction: float64 [T]. */
export function squaredErrorRatios(objective: Objective, tables: DiffusionTables): Float64Array {
  switch (objective) {
    case "eps":
      return tables.snr;
    case "x0":
      return new Float64Array(tables.timesteps).fill(1);
    case "v":
      return tables.sqrtOneMinusAlphasCumprod.map((noise) => 1 / noise ** 2);
    case "mu":
      return tables.posteriorMeanCoef1.map((coef) => coef ** 2);
  }
}

function factorsAt({ tables, t }: AtStep) {
  return {
    signal: tables.sqrtAlphasCumprod[t]!,
    noise: tables.sqrtOneMinusAlphasCumprod[t]!,
    previousSignal: Math.sqrt(tables.alphasCumprodPrev[t]!),
    coefX0: tables.posteriorMeanCoef1[t]!,
    coefXt: tables.posteriorMeanCoef2[t]!,
    recip: tables.sqrtRecipAlphasCumprod[t]!,
    recipm1: tables.sqrtRecipm1AlphasCumprod[t]!,
  };
}
