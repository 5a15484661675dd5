/**
 * One step of a reverse chain, from x_t to the next x, as five numbers (float64):
 *
 *     x0 = clip(recip x - recipm1 eps, -1, 1)
 *     x' = coefX0 x0 + coefXt x + sigma z,   z ~ N(0, I)
 *
 * Every sampler here has this form, so that one compiled function runs them all.
 */
export interface ReverseStep {
  /** What the network is told, an index in [0, T). */
  readonly t: number;
  /** sqrt(1 / A_t). */
  readonly recip: number;
  /** sqrt(1 / A_t - 1). */
  readonly recipm1: number;
  readonly coefX0: number;
  readonly coefXt: number;
  /** Standard deviation of the fresh noise; 0 at the last step. */
  readonly sigma: number;
}

/** The images of one reverse step for one pixel, or all pixels of a batch one by one. */
export interface ReverseStepHostInputs {
  readonly x: Float64Array;
  readonly eps: Float64Array;
  /** Not read when `step.sigma` is 0. */
  readonly z: Float64Array;
}

/** The reference for `makeReverseStep`, elementwise in float64: the next x, and the clipped x0 it came from. */
export function reverseStepHost(
  step: ReverseStep,
  { x, eps, z }: ReverseStepHostInputs,
): { x: Float64Array; x0: Float64Array } {
  const x0 = x.map((value, i) => Math.max(-1, Math.min(1, step.recip * value - step.recipm1 * eps[i]!)));
  const next = x.map((value, i) =>
    step.coefX0 * x0[i]! + step.coefXt * value + (step.sigma === 0 ? 0 : step.sigma * z[i]!)
  );
  return { x: next, x0 };
}
