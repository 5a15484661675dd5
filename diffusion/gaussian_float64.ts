import type { DiffusionTables } from "./schedule/tables.ts";

/** The Gaussians of the diffusion chain for one number in float64: the reference that tensor code is checked against. */

export interface Gaussian {
  readonly mean: number;
  readonly logVariance: number;
}

/** KL(p || q) of two one-dimensional Gaussians, in nats. */
export function normalKl(p: Gaussian, q: Gaussian): number {
  const difference = q.logVariance - p.logVariance;
  return 0.5 * (-1 + difference + Math.exp(-difference) + (p.mean - q.mean) ** 2 * Math.exp(-q.logVariance));
}

/** q(x_{t-1} | x_t, x_0), Ho et al. 2020 eq. 7, with the clipped log variance. @param t integer in [0, T) */
export function qPosteriorFloat64(x0: number, xt: number, { tables, t }: AtStep): Gaussian {
  return {
    mean: tables.posteriorMeanCoef1[t]! * x0 + tables.posteriorMeanCoef2[t]! * xt,
    logVariance: tables.posteriorLogVarianceClipped[t]!,
  };
}

/** Where in the chain a formula is evaluated. */
export interface AtStep {
  readonly tables: DiffusionTables;
  /** An integer in [0, T). */
  readonly t: number;
}
