import { LARGEST, type ValueForm } from "./normalizer.ts";
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

/** The bins of one channel's integers, in the network's numbers. */
export interface Bins {
  /** Half the width of a bin, which lies around its integer. */
  readonly half: number;
  /** Numbers below this belong to the first integer, whose bin is open below. */
  readonly first: number;
  /** Numbers above this belong to the last integer, whose bin is open above. */
  readonly last: number;
}

/** Bins of bytes, of width 2 / 255 around x = k / 127.5 - 1, with the limits of hojonathanho/diffusion. */
const BYTE_BINS: Bins = { half: 1 / 255, first: -0.999, last: 0.999 };

/** Returns the bins of each channel of integers, or one for all channels; undefined for floats, which have none. */
export function binsOf({ dtype, normalizer: { scale, shift } }: ValueForm): readonly Bins[] | undefined {
  const most = LARGEST[dtype];
  if (most === undefined) return undefined;
  return scale.map((one, c) => {
    const [half, less] = [0.5 / one, shift[c]!];
    if (half === BYTE_BINS.half && less === 1) return BYTE_BINS;
    // A quarter of a bin from the middle of the outermost bins: rounding moves no integer as far.
    return { half, first: half / 2 - less, last: most / one - less - half / 2 };
  });
}

/**
 * Log of the probability that a Gaussian gives to the bin of one pixel value (eq. 13), in nats, the first and the last
 * bin being open. The distribution function is the tanh approximation of
 * hojonathanho/diffusion (off by at most 1.8e-4), so that results compare with published ones.
 *
 * @param x the network's number for an integer @param bins default: those of bytes
 */
export function discretizedLogLikelihood(
  x: number,
  { mean, logVariance }: Gaussian,
  { half, first, last }: Bins = BYTE_BINS,
): number {
  const inverseScale = Math.exp(-0.5 * logVariance);
  const upper = normalCdf((x - mean + half) * inverseScale);
  const lower = normalCdf((x - mean - half) * inverseScale);
  if (x < first) return Math.log(Math.max(upper, SMALLEST_PROBABILITY));
  if (x > last) return Math.log(Math.max(1 - lower, SMALLEST_PROBABILITY));
  return Math.log(Math.max(upper - lower, SMALLEST_PROBABILITY));
}

function normalCdf(z: number): number {
  return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
}

/**
 * Computes the term of the variational bound at t for one pixel, in nats: KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
 * for t > 0, -log p(x_0 | x_1) at t = 0 (eq. 5).
 *
 * @param pixel x0; the network's predictedX0; logVariance of the reverse step
 * @param bins default: those of bytes
 */
export function boundTermFloat64(
  { x0, xt, predictedX0, logVariance }: Readonly<Record<"x0" | "xt" | "predictedX0" | "logVariance", number>>,
  at: AtStep,
  bins?: Bins,
): number {
  const { mean } = qPosteriorFloat64(predictedX0, xt, at);
  if (at.t === 0) return -discretizedLogLikelihood(x0, { mean, logVariance }, bins);
  return normalKl(qPosteriorFloat64(x0, xt, at), { mean, logVariance });
}
