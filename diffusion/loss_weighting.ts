import type { TimePoint } from "./define.ts";
import type { Objective } from "./objective.ts";

/**
 * How much each timestep counts in training. `simple`: all alike (L_simple of Ho et al. 2020, eq. 14, where the noise is
 * predicted). `vlb`: as in the variational bound (eq. 12). `min-snr`: Hang et al. 2023.
 */
export type Weighting = "simple" | "vlb" | "min-snr";

export interface WeightingOptions {
  readonly objective: Objective;
  readonly weighting: Weighting;
  /** Of `min-snr`, > 0; 5 in the paper. */
  readonly gamma: number;
  /** Variance of the reverse step, for `vlb`. */
  readonly variance: "fixedsmall" | "fixedlarge";
}

/**
 * Weight of the squared error of a network's prediction at a time.
 *
 * Under `vlb` a weighted mean over pixels is the term of the bound at t in bits per dimension, without the parts that
 * the network cannot change: KL of two Gaussians of fixed variance for t > 0, and at t = 0 the likelihood of a Gaussian
 * that is not cut into bins (the remark below eq. 14). The mean over t times T is then the bound. The same x_0 weighs
 * the same under all objectives. Needs the chain, and t one of its times.
 *
 * Under `min-snr` it is that of x_0, min(SNR, gamma), times the square of what an error of the output makes of x_0. In
 * errors of eps and x_0 by turns, it has a value where the SNR is 0.
 *
 * @returns infinity of noise predicted under `vlb` where A is 0
 */
export function lossWeight(at: TimePoint, { objective, weighting, gamma, variance }: WeightingOptions): number {
  const x0 = () => objective.recover!(at).x0.output ** 2;
  switch (weighting) {
    case "simple":
      return 1;
    case "min-snr":
      return Math.min(objective.recover!(at).eps.output ** 2, gamma * x0());
    case "vlb": {
      const { posteriorMeanCoef1, posteriorLogVarianceClipped, fixedLargeLogVariance } = at.path.tables!;
      const logVariances = variance === "fixedsmall" ? posteriorLogVarianceClipped : fixedLargeLogVariance;
      return posteriorMeanCoef1[at.t]! ** 2 * x0() / (2 * Math.exp(logVariances[at.t]!) * Math.LN2);
    }
  }
}
