import { roundHalfToEven } from "./round_half_to_even.ts";

/**
 * Timesteps of a shortened chain: T is cut into as many sections as there are counts, and each keeps so many of its own,
 * spread from its first to its last (openai/improved-diffusion, `space_timesteps`). Ascending and distinct.
 *
 * @param timesteps T
 * @throws RangeError when a section has fewer timesteps than are wanted of it.
 */
export function spaceTimesteps(timesteps: number, sectionCounts: readonly number[]): number[] {
  if (!Number.isInteger(timesteps) || timesteps < 1) {
    throw new RangeError(`Timesteps to space: got ${timesteps}, wanted an integer >= 1`);
  }
  if (sectionCounts.length === 0) throw new RangeError("Sections of timesteps: got none, wanted at least one");
  const size = Math.floor(timesteps / sectionCounts.length);
  const larger = timesteps % sectionCounts.length;
  let start = 0;
  return sectionCounts.flatMap((count, i) => {
    const length = size + (i < larger ? 1 : 0);
    if (!Number.isInteger(count) || count < 1 || count > length) {
      throw new RangeError(`Timesteps of section ${i}: got ${count}, wanted an integer in [1, ${length}]`);
    }
    const stride = count === 1 ? 1 : (length - 1) / (count - 1);
    // The sum is run up rather than multiplied out, as in the source: another rounding would take other timesteps.
    let at = 0;
    const taken = Array.from({ length: count }, () => {
      const t = start + roundHalfToEven(at);
      at += stride;
      return t;
    });
    start += length;
    return taken;
  });
}

/**
 * Betas of the chain that visits only some timesteps, 1 - A_t / A_s with s the timestep kept before t (improved-diffusion,
 * `respace.py`): float64, one per kept timestep. A network still has to be told the original t.
 *
 * @param betas float64 [T]
 * @param kept ascending, distinct, in [0, T)
 */
export function respacedBetas(betas: Float64Array, kept: readonly number[]): Float64Array {
  return Float64Array.from(kept, (t, i) => {
    const from = i === 0 ? 0 : kept[i - 1]! + 1;
    if (!Number.isInteger(t) || t < from || t >= betas.length) {
      throw new RangeError(`Kept timestep ${i}: got ${t}, wanted an integer in [${from}, ${betas.length})`);
    }
    // 1 - product of (1 - b) as a sum of positive terms: the subtraction would lose digits where betas are small.
    return betas.subarray(from, t + 1).reduce((rest, beta) => beta + (1 - beta) * rest, 0);
  });
}
