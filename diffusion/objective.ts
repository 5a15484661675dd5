import type { DefinitionParams, ObjectiveDefinition, ParamsOf, Recovery, TargetMixture, TimePoint } from "./define.ts";
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

export type ObjectiveName = typeof OBJECTIVES[number];

/** What a network learned, ready to be used. */
export interface Objective {
  readonly definition: ObjectiveDefinition;
  readonly params: object;
  /** x_0 from the output, not clipped; undefined where the objective names the sampler that alone can use it. */
  readonly recoverX0: ((at: TimePoint) => Recovery) | undefined;
  /** eps from the output: the noise that its x_0, not clipped, leaves of x_t. */
  readonly recoverEps: ((at: TimePoint) => Recovery) | undefined;
}

/** An objective of given params. @throws RangeError for a free loss that says neither how x_0 is had nor which sampler fits */
export function makeObjective<P extends DefinitionParams>(
  definition: ObjectiveDefinition<P>,
  params: ParamsOf<P>,
): Objective {
  const made = { definition: definition as unknown as ObjectiveDefinition, params };
  if ("target" in definition) {
    const { target, recover } = definition;
    const both = (at: TimePoint) => recover?.(at, params) ?? solve(target(at, params), at);
    return { ...made, recoverX0: (at) => both(at).x0, recoverEps: (at) => both(at).eps };
  }
  const { recover, sampler } = definition;
  if (recover === undefined && sampler === undefined) {
    throw new RangeError("Objective with a loss of its own: got neither recover nor sampler, wanted one of them");
  }
  if (recover === undefined) return { ...made, recoverX0: undefined, recoverEps: undefined };
  const eps = (at: TimePoint): Recovery => {
    const x0 = recover(at, params);
    return { xt: (1 - at.signal * x0.xt) / at.noise, output: -at.signal * x0.output / at.noise };
  };
  return { ...made, recoverX0: (at) => recover(at, params), recoverEps: eps };
}

/** With target = a x_0 + b eps and x_t = s x_0 + n eps: two equations for x_0 and eps. */
function solve(target: TargetMixture, { signal, noise }: TimePoint): { readonly x0: Recovery; readonly eps: Recovery } {
  const determinant = target.x0 * noise - target.noise * signal;
  return {
    x0: { xt: -target.noise / determinant, output: noise / determinant },
    eps: { xt: target.x0 / determinant, output: -signal / determinant },
  };
}

/** What a network of this objective should say. @param at.t integer in [0, T) */
export function targetMixture(objective: ObjectiveName, at: AtStep): TargetMixture {
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
export function x0Recovery(objective: ObjectiveName, at: AtStep): Recovery {
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
export function epsRecovery(objective: ObjectiveName, at: AtStep): Recovery {
  const { signal, noise } = factorsAt(at);
  if (objective === "eps") return { xt: 0, output: 1 };
  // The difference 1 - A of the general form cancels where A is near 1.
  if (objective === "v") return { xt: noise, output: signal };
  const x0 = x0Recovery(objective, at);
  return { xt: (1 - signal * x0.xt) / noise, output: -signal * x0.output / noise };
}

/** What the square of an error of x_0 is multiplied with to be that of the prediction: float64 [T]. */
export function squaredErrorRatios(objective: ObjectiveName, tables: DiffusionTables): Float64Array {
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
