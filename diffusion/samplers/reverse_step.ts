import type { Recovery } from "../objective.ts";

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
  /** What the network is told, an index in [0, T). */
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

/** The images of one reverse step for one pixel, or all pixels of a batch one by one. */
export interface ReverseStepHostInputs {
  readonly x: Float64Array;
  /** The network's prediction. */
  readonly output: Float64Array;
  /** Not read when `step.extra` is `none`. */
  readonly extra: Float64Array;
}

/** The reference for `makeReverseStep`, elementwise in float64: the next x, and the clipped x0 it came from. */
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
