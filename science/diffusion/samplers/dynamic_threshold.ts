/**
 * Dynamic thresholding (Saharia et al. 2022, section 2.3) of one predicted image, in place: clips to [-s, s] and
 * divides by s, where s is a quantile of |x0|, at least 1. Unlike clipping to [-1, 1], it does not saturate pixels
 * under strong guidance or with a network that overshoots.
 *
 * @param x0 one image
 * @param quantile in (0, 1]; between two values the lower one is used. 0.995 in the paper
 */
export function dynamicThreshold(x0: Float32Array, quantile: number): void {
  const sorted = x0.map(Math.abs).sort();
  const limit = Math.max(1, sorted[Math.floor(quantile * (sorted.length - 1))]!);
  for (let i = 0; i < x0.length; i++) x0[i] = Math.min(limit, Math.max(-limit, x0[i]!)) / limit;
}
