import { roundHalfToEven } from "./round_half_to_even.ts";

/**
 * Timesteps of a shortened chain: `count` of them, spread from 0 to T - 1 (openai/improved-diffusion,
 * `space_timesteps` with one section). Ascending and distinct.
 *
 * @param timesteps T, at least `count`
 */
export function spaceTimesteps(timesteps: number, count: number): number[] {
  const stride = count === 1 ? 1 : (timesteps - 1) / (count - 1);
  // The sum is run up rather than multiplied out, as in the source: another rounding would take other timesteps.
  let at = 0;
  return Array.from({ length: count }, () => {
    const t = roundHalfToEven(at);
    at += stride;
    return t;
  });
}
