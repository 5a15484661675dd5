import type { DiffusionTables } from "./schedule/tables.ts";

/**
 * Likelihoods of the variational bound in float64 on the host (Ho et al. 2020, eq. 5 and 13; hojonathanho/diffusion,
 * `diffusion_utils_2.py`): used by evaluation, and the reference for the tensor code.
 */

/** A one-dimensional Gaussian. */
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

/** A step of the chain. */
export interface AtStep {
  readonly tables: DiffusionTables;
  /** An integer in [0, T). */
  readonly t: number;
}

/** Lower bound of probabilities before a logarithm, as in hojonathanho/diffusion. */
const SMALLEST_PROBABILITY = 1e-12;

/**
 * Log of the probability that a Gaussian gives to the bin of one pixel value (eq. 13), in nats: bins of width 2 / 255
 * around x = k / 127.5 - 1, the first and the last open. The distribution function is the tanh approximation of
 * hojonathanho/diffusion (off by at most 1.8e-4), so that results compare with published ones.
 *
 * @param x in [-1, 1]
 */
export function discretizedLogLikelihood(x: number, { mean, logVariance }: Gaussian): number {
  const inverseScale = Math.exp(-0.5 * logVariance);
  const upper = normalCdf((x - mean + 1 / 255) * inverseScale);
  const lower = normalCdf((x - mean - 1 / 255) * inverseScale);
  if (x < -0.999) return Math.log(Math.max(upper, SMALLEST_PROBABILITY));
  if (x > 0.999) return Math.log(Math.max(1 - lower, SMALLEST_PROBABILITY));
  return Math.log(Math.max(upper - lower, SMALLEST_PROBABILITY));
}

function normalCdf(z: number): number {
  return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
}

/**
 * Computes the term of the variational bound at t for one pixel, in nats: KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
 * for t > 0, -log p(x_0 | x_1) at t = 0 (eq. 5).
 *
 * @param pixel x0 in [-1, 1]; the network's predictedX0; logVariance of the reverse step
 */
export function boundTermFloat64(
  { x0, xt, predictedX0, logVariance }: Readonly<Record<"x0" | "xt" | "predictedX0" | "logVariance", number>>,
  at: AtStep,
): number {
  const { mean } = qPosteriorFloat64(predictedX0, xt, at);
  if (at.t === 0) return -discretizedLogLikelihood(x0, { mean, logVariance });
  return normalKl(qPosteriorFloat64(x0, xt, at), { mean, logVariance });
}
