import { type ObjectiveName, squaredErrorRatios } from "./objective.ts";
import type { DiffusionTables } from "./schedule/tables.ts";

/**
 * How much each timestep counts in training. `simple`: all alike (L_simple of Ho et al. 2020, eq. 14, where the noise is
 * predicted). `vlb`: as in the variational bound (eq. 12). `min-snr`: Hang et al. 2023.
 */
export const WEIGHTINGS = ["simple", "vlb", "min-snr"] as const;

export type Weighting = typeof WEIGHTINGS[number];

export interface WeightingOptions {
  readonly objective: ObjectiveName;
  readonly weighting: Weighting;
  /** Of `min-snr`, > 0. */
  readonly gamma: number;
  /** Variance of the reverse step, for `vlb`. */
  readonly variance: "fixedsmall" | "fixedlarge";
}

/**
 * Weights of the squared error of a network's prediction by timestep: float64 [T].
 *
 * Under `vlb` a weighted mean over pixels is the term of the bound at t in bits per dimension, without the parts that
 * the network cannot change: KL of two Gaussians of fixed variance for t > 0, and at t = 0 the likelihood of a Gaussian
 * that is not cut into bins (the remark below eq. 14). The mean over t times T is then the bound. The same x_0 weighs
 * the same under all objectives.
 *
 * @throws RangeError when a weight is not finite: `eps` under `vlb` where A is 0.
 */
export function lossWeights(tables: DiffusionTables, options: WeightingOptions): Float64Array {
  const weights = weightsOf(tables, options);
  const t = weights.findIndex((weight) => !Number.isFinite(weight));
  if (t >= 0) throw new RangeError(`Weight of the loss of ${options.objective} at t=${t}: got ${weights[t]}`);
  return weights;
}

function weightsOf(
  tables: DiffusionTables,
  { objective, weighting, gamma, variance }: WeightingOptions,
): Float64Array {
  const ratios = squaredErrorRatios(objective, tables);
  switch (weighting) {
    case "simple":
      return new Float64Array(tables.timesteps).fill(1);
    case "min-snr":
      return objective === "mu"
        ? tables.snr.map((snr, t) => Math.min(snr, gamma) / ratios[t]!)
        : minSnrWeights(tables.snr, { target: objective, gamma });
    case "vlb": {
      const logVariances = variance === "fixedsmall"
        ? tables.posteriorLogVarianceClipped
        : tables.fixedLargeLogVariance;
      return tables.posteriorMeanCoef1.map((coef, t) =>
        coef ** 2 / (2 * Math.exp(logVariances[t]!) * ratios[t]! * Math.LN2)
      );
    }
  }
}

/**
 * min-SNR weights of the loss of a network that predicts `target` (Hang et al. 2023): the loss of x_0 is weighted by
 * min(SNR, gamma), and those of eps and v so that they come to the same. Float64, as many as `snr`.
 *
 * @param snr A / (1 - A), each >= 0
 * @param gamma > 0; 5 in the paper
 */
export function minSnrWeights(
  snr: Float64Array,
  { target, gamma }: { readonly target: Exclude<ObjectiveName, "mu">; readonly gamma: number },
): Float64Array {
  switch (target) {
    // min(SNR, gamma) / SNR, in the form that has a value where SNR is 0.
    case "eps":
      return snr.map((ratio) => Math.min(1, gamma / ratio));
    case "x0":
      return snr.map((ratio) => Math.min(ratio, gamma));
    case "v":
      return snr.map((ratio) => Math.min(ratio, gamma) / (ratio + 1));
  }
}
