/**
 * Samplers in the affine form of reverse_step.ts, with the coefficients of each step in float64: a second way to
 * compute the same images.
 */
/**
 * One step of a reverse chain, from x_t to the next x, as numbers (float64):
 *
 *     x0 = clip(the estimate of x_0 from the network's output and x)
 *     x' = coefX0 x0 + coefXt x + coefExtra extra
 *
 * Every sampler here has this form, so that one compiled function runs them all; the objective (`x0Recovery`) defines
 * how x_0 is computed from the output.
 */
export interface ReverseStep {
  /** The network's input, an index in [0, T). */
  readonly t: number;
  readonly coefX0: number;
  readonly coefXt: number;
  /** 0 if `extra` is `none`. */
  readonly coefExtra: number;
  /**
   * `noise`: z ~ N(0, I), and `coefExtra` is its standard deviation. `lastX0`: x0 of the previous step. `lastX`: the x
   * that the previous step started from.
   */
  readonly extra: "none" | "noise" | "lastX0" | "lastX";
  /** With a learned variance: the range of its logarithm. `coefExtra` then multiplies the learned deviation. */
  readonly logVariances?: { readonly min: number; readonly max: number };
}
