import type { DiffusionTables } from "./tables.ts";

/**
 * The weight of (eps - eps_theta)^2 in each term of the variational bound, b^2 / (2 s^2 a (1 - A)) (Ho et al. 2020,
 * eq. 12): float64 [T].
 *
 * @param variance s^2, the variance of the reverse step: the posterior's, or beta. The posterior's is 0 at t = 0, which
 * makes the weight infinite there; the bound has a likelihood in that place.
 */
export function boundWeights(tables: DiffusionTables, variance: "fixedsmall" | "fixedlarge"): Float64Array {
  const { betas, alphas, posteriorVariance, sqrtOneMinusAlphasCumprod } = tables;
  const variances = variance === "fixedsmall" ? posteriorVariance : betas;
  return betas.map((beta, t) => beta ** 2 / (2 * variances[t]! * alphas[t]! * sqrtOneMinusAlphasCumprod[t]! ** 2));
}

/** What a network predicts: the noise, the image, or v = sqrt(A) eps - sqrt(1 - A) x_0 (Salimans & Ho 2022). */
export type PredictionTarget = "eps" | "x0" | "v";

/**
 * min-SNR weights of the loss of a network that predicts `target` (Hang et al. 2023): the loss of x_0 is weighted by
 * min(SNR, gamma), and those of eps and v so that they come to the same. Float64, as many as `snr`.
 *
 * @param snr A / (1 - A), each >= 0
 * @param gamma > 0; 5 in the paper
 */
export function minSnrWeights(
  snr: Float64Array,
  { target, gamma }: { readonly target: PredictionTarget; readonly gamma: number },
): Float64Array {
  if (!(gamma > 0)) throw new RangeError(`Gamma of the min-SNR weights: got ${gamma}, wanted a number > 0`);
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
