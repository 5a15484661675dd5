/**
 * Returns the betas of the chain that visits only some timesteps, 1 - A_t / A_s with s the timestep kept before t
 * (improved-diffusion, `respace.py`): float64, one per kept timestep. A network must still be given the original t.
 *
 * @param betas float64 [T]
 * @param kept ascending, distinct, in [0, T)
 */
export function respacedBetas(betas: Float64Array, kept: readonly number[]): Float64Array {
  return Float64Array.from(kept, (t, i) => {
    const from = i === 0 ? 0 : kept[i - 1]! + 1;
    // 1 - product of (1 - b) as a sum of positive terms: the subtraction would lose digits if betas are small.
    return betas.subarray(from, t + 1).reduce((rest, beta) => beta + (1 - beta) * rest, 0);
  });
}
