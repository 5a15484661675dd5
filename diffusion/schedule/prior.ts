import type { DiffusionTables } from "./tables.ts";

/**
 * A prior KL above this gives a warning: samplers start from N(0, I), and training must have seen it. Ho et al.: 1e-5.
 */
export const MAX_PRIOR_BITS_PER_DIM = 1e-4;

/**
 * L_T of Ho et al. 2020 (eq. 5), the information about x_0 that is left in x_T: KL(q(x_T | x_0) || N(0, I)) in bits per
 * dimension, = (-ln(1 - A_T) - A_T + A_T E[x_0^2]) / (2 ln 2).
 *
 * @param meanSquare E[x_0^2] over dimensions and images; 1 is the largest possible for images in [-1, 1].
 */
export function priorKlBitsPerDim(tables: DiffusionTables, meanSquare = 1): number {
  return priorKlOfSignal(tables.alphasCumprod[tables.timesteps - 1]!, meanSquare);
}

/** The same, from A_T, the only value that it depends on. */
export function priorKlOfSignal(alphaCumprod: number, meanSquare: number): number {
  // log1p keeps -ln(1 - A) - A exact to first order where A is tiny, the only place the result matters.
  return (-Math.log1p(-alphaCumprod) - alphaCumprod + alphaCumprod * meanSquare) / (2 * Math.LN2);
}
