/** Samplers in the affine form of reverse_step.ts, numbers of each step in float64: a second way to the same images. */
/**
 * One step of a reverse chain, from x_t to the next x, as numbers (float64):
 *
 *     x0 = clip(what the network's output and x make of x_0)
 *     x' = coefX0 x0 + coefXt x + coefExtra extra
 *
 * Every sampler here has this form, so that one compiled function runs them all; how x_0 is made of the output is the
 * objective's (`x0Recovery`).
 */
export interface ReverseStep {
  /** The network's input, an index in [0, T). */
  readonly t: number;
  readonly coefX0: number;
  readonly coefXt: number;
  /** 0 where `extra` is `none`. */
  readonly coefExtra: number;
  /**
   * `noise`: z ~ N(0, I), and `coefExtra` is its standard deviation. `lastX0`: x0 of the step before. `lastX`: the x that
   * the step before started from.
   */
  readonly extra: "none" | "noise" | "lastX0" | "lastX";
  /** With a learned variance: the range of its logarithm. `coefExtra` then multiplies the learned deviation. */
  readonly logVariances?: { readonly min: number; readonly max: number };
}
