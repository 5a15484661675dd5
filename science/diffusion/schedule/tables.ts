/**
 * All values that the diffusion equations look up by timestep: float64 [T] each, index t in [0, T) (the paper's t is
 * noiseline's plus one). Symbols of Ho et al. 2020: b = betas, a = alphas = 1 - b, A = alphasCumprod, Ap =
 * alphasCumprodPrev.
 */
export interface DiffusionTables {
  /** T. */
  readonly timesteps: number;
  /** Variance of the noise of each step. */
  readonly betas: Float64Array;
  /** 1 - b. */
  readonly alphas: Float64Array;
  /** A_t, the product of alphas 0..t (eq. 4). */
  readonly alphasCumprod: Float64Array;
  /** A_{t-1}; 1 at t = 0. */
  readonly alphasCumprodPrev: Float64Array;
  /** Factor of x_0 in q(x_t | x_0) (eq. 4). */
  readonly sqrtAlphasCumprod: Float64Array;
  /** Factor of the noise in q(x_t | x_0) (eq. 4). */
  readonly sqrtOneMinusAlphasCumprod: Float64Array;
  /** log(1 - A). */
  readonly logOneMinusAlphasCumprod: Float64Array;
  /** sqrt(1 / A): factor of x_t in x_0 computed from the noise. Infinite where A is 0. */
  readonly sqrtRecipAlphasCumprod: Float64Array;
  /** sqrt(1 / A - 1): factor of the noise in x_0 computed from it. Infinite where A is 0. */
  readonly sqrtRecipm1AlphasCumprod: Float64Array;
  /** Variance of q(x_{t-1} | x_t, x_0) (eq. 7); 0 at t = 0. */
  readonly posteriorVariance: Float64Array;
  /**
   * Log of the posterior variance with the first entry (log 0) replaced by the second, as hojonathanho/diffusion does
   * for CIFAR10. With T = 1 there is no second entry, and log b_0 is used, the upper bound of the reverse variance.
   */
  readonly posteriorLogVarianceClipped: Float64Array;
  /**
   * Log of the reverse variance that hojonathanho/diffusion calls fixedlarge: the betas, with the first replaced by the
   * posterior variance's second entry, which gives a better likelihood at t = 0. With T = 1: log b_0.
   */
  readonly fixedLargeLogVariance: Float64Array;
  /** Factor of x_0 in the posterior mean (eq. 7). */
  readonly posteriorMeanCoef1: Float64Array;
  /** Factor of x_t in the posterior mean (eq. 7). */
  readonly posteriorMeanCoef2: Float64Array;
  /** Signal-to-noise ratio A / (1 - A). */
  readonly snr: Float64Array;
}

/**
 * Computes all tables from betas [T].
 *
 * @throws RangeError when betas is empty or an entry is outside (0, 1].
 */
export function makeTables(betas: Float64Array): DiffusionTables {
  const timesteps = betas.length;
  if (timesteps === 0) throw new RangeError("Betas: got none, wanted at least one");
  const bad = betas.findIndex((beta) => !(beta > 0 && beta <= 1));
  if (bad >= 0) throw new RangeError(`Betas: got ${betas[bad]} at t=${bad}, wanted 0 < beta <= 1`);

  const table = (f: (t: number) => number) => Float64Array.from({ length: timesteps }, (_, t) => f(t));
  const alphas = betas.map((beta) => 1 - beta);
  const alphasCumprod = new Float64Array(timesteps);
  const oneMinus = new Float64Array(timesteps);
  let product = 1;
  let rest = 0;
  for (let t = 0; t < timesteps; t++) {
    const alpha = alphas[t]!;
    product *= alpha;
    // 1 - A as a sum of positive terms: subtracting A from 1 loses four digits where A is near 1.
    rest = betas[t]! + alpha * rest;
    alphasCumprod[t] = product;
    oneMinus[t] = rest;
  }
  const alphasCumprodPrev = table((t) => t === 0 ? 1 : alphasCumprod[t - 1]!);
  const posteriorVariance = table((t) => t === 0 ? 0 : betas[t]! * oneMinus[t - 1]! / oneMinus[t]!);
  const firstVariance = timesteps === 1 ? betas[0]! : posteriorVariance[1]!;
  return {
    timesteps,
    betas: betas.slice(),
    alphas,
    alphasCumprod,
    alphasCumprodPrev,
    sqrtAlphasCumprod: alphasCumprod.map(Math.sqrt),
    sqrtOneMinusAlphasCumprod: oneMinus.map(Math.sqrt),
    logOneMinusAlphasCumprod: oneMinus.map(Math.log),
    sqrtRecipAlphasCumprod: alphasCumprod.map((a) => Math.sqrt(1 / a)),
    sqrtRecipm1AlphasCumprod: table((t) => Math.sqrt(oneMinus[t]! / alphasCumprod[t]!)),
    posteriorVariance,
    posteriorLogVarianceClipped: table((t) => Math.log(t === 0 ? firstVariance : posteriorVariance[t]!)),
    fixedLargeLogVariance: table((t) => Math.log(t === 0 ? firstVariance : betas[t]!)),
    posteriorMeanCoef1: table((t) => betas[t]! * Math.sqrt(alphasCumprodPrev[t]!) / oneMinus[t]!),
    posteriorMeanCoef2: table((t) => t === 0 ? 0 : oneMinus[t - 1]! * Math.sqrt(alphas[t]!) / oneMinus[t]!),
    snr: table((t) => alphasCumprod[t]! / oneMinus[t]!),
  };
}

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
