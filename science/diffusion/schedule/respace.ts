/**
 * Returns the timesteps of a shortened chain: `count` of them, spread from 0 to T - 1 (openai/improved-diffusion,
 * `space_timesteps` with one section). Ascending and distinct.
 *
 * @param timesteps T, at least `count`
 */
export function spaceTimesteps(timesteps: number, count: number): number[] {
  const stride = count === 1 ? 1 : (timesteps - 1) / (count - 1);
  // Steps are added up rather than multiplied, as in the source: different rounding would select other timesteps.
  let at = 0;
  return Array.from({ length: count }, () => {
    const t = roundHalfToEven(at);
    at += stride;
    return t;
  });
}

/** Rounds as Python and numpy do, as reference code selects timesteps: Math.round would give others at x.5. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
