/** Formulas of the papers that only tests need: references for the code. */
import type { AtStep } from "../../science/diffusion/likelihood_float64.ts";
import type { Recovery } from "../../science/diffusion/define.ts";
import type { ReverseStep } from "./affine/reverse_step.ts";
import type { DiffusionTables } from "../../science/diffusion/schedule/tables.ts";

/**
 * A sample of q(x_t | x_0), Ho et al. 2020 eq. 4.
 * @param t integer in [0, T)
 */
export function qSampleFloat64(x0: number, noise: number, { tables, t }: AtStep): number {
  return tables.sqrtAlphasCumprod[t]! * x0 + tables.sqrtOneMinusAlphasCumprod[t]! * noise;
}

/**
 * The x_0 that a noise prediction implies, not clipped.
 * @param t integer in [0, T)
 */
export function predictXstartFromEpsFloat64(xt: number, eps: number, { tables, t }: AtStep): number {
  return tables.sqrtRecipAlphasCumprod[t]! * xt - tables.sqrtRecipm1AlphasCumprod[t]! * eps;
}

/** The images of one reverse step for one pixel, or all pixels of a batch one by one. */
export interface ReverseStepHostInputs {
  readonly x: Float64Array;
  /** The network's prediction. */
  readonly output: Float64Array;
  /** Not read if `step.extra` is `none`. */
  readonly extra: Float64Array;
}

/**
 * Computes one step of a sampler in its affine form, elementwise in float64.
 * @returns the next x, and the clipped x0 that it was computed from
 */
export function reverseStepHost(
  step: ReverseStep,
  recovery: Recovery,
  { x, output, extra }: ReverseStepHostInputs,
): { x: Float64Array; x0: Float64Array } {
  const x0 = x.map((value, i) => Math.max(-1, Math.min(1, recovery.xt * value + recovery.output * output[i]!)));
  const next = x.map((value, i) =>
    step.coefX0 * x0[i]! + step.coefXt * value + (step.extra === "none" ? 0 : step.coefExtra * extra[i]!)
  );
  return { x: next, x0 };
}

/**
 * Returns the weight of (eps - eps_theta)^2 in each term of the variational bound, b^2 / (2 s^2 a (1 - A)) (Ho et al.
 * 2020, eq. 12): float64 [T].
 *
 * @param variance s^2, the variance of the reverse step: the posterior's, or beta. The posterior's is 0 at t = 0, which
 *   makes the weight infinite there; the bound has a likelihood instead of that term.
 */
export function boundWeights(tables: DiffusionTables, variance: "fixedsmall" | "fixedlarge"): Float64Array {
  const { betas, alphas, posteriorVariance, sqrtOneMinusAlphasCumprod } = tables;
  const variances = variance === "fixedsmall" ? posteriorVariance : betas;
  return betas.map((beta, t) => beta ** 2 / (2 * variances[t]! * alphas[t]! * sqrtOneMinusAlphasCumprod[t]! ** 2));
}

/**
 * Noise level of the continuous variance-preserving chain, sqrt(exp(betaD t^2 / 2 + betaMin t) - 1) (Song et al. 2021;
 * Karras et al. 2022, table 1). The defaults are the limit of the linear schedule of Ho et al. from 1e-4 to 0.02.
 *
 * @param t in [0, 1]
 */
export function vpSigma(t: number, { betaD = 19.9, betaMin = 0.1 } = {}): number {
  if (!(t >= 0 && t <= 1)) throw new RangeError(`Time of the VP chain: got ${t}, wanted 0 <= t <= 1`);
  return Math.sqrt(Math.expm1(betaD * t ** 2 / 2 + betaMin * t));
}

/**
 * The order of the sinusoids of a timestep embedding and the spacing of their frequencies: `ho` is sines, then cosines,
 * divided by half - 1 (hojonathanho/diffusion, `nn.py`; the U-Net of this project); `openai` is cosines, then sines,
 * divided by half (openai/improved-diffusion, `nn.py`). Weights trained with one are useless with the other.
 */
export type TimestepFeatureOrder = "ho" | "openai";

/**
 * Sinusoidal features of one timestep in float64: the reference that `timeEmbedding` is checked against.
 *
 * @param t the raw index in [0, T)
 * @param dim even, >= 4
 * @returns float64 [dim]
 */
export function timestepFeaturesFloat64(t: number, dim: number, order: TimestepFeatureOrder): Float64Array {
  if (dim % 2 !== 0 || dim < 4) {
    throw new RangeError(`Timestep features: got dimension ${dim}, wanted an even one >= 4`);
  }
  const half = dim / 2;
  const divisor = order === "ho" ? half - 1 : half;
  const angles = Array.from({ length: half }, (_, i) => t * Math.exp(-Math.log(10000) * i / divisor));
  const [sines, cosines] = [angles.map(Math.sin), angles.map(Math.cos)];
  return Float64Array.from(order === "ho" ? [...sines, ...cosines] : [...cosines, ...sines]);
}
