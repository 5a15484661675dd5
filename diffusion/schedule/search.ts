import { chainPath } from "../path.ts";
import { pathProblems } from "../path_problems.ts";
import { makeBetas, type ScheduleShape } from "./betas.ts";
import { makeTables, priorKlOfSignal } from "./tables.ts";

/** Upper limit of the search: far past any chain that could be sampled, and still a few milliseconds to evaluate. */
export const SEARCH_LIMIT_TIMESTEPS = 100_000;

/**
 * Returns the largest T whose path float32 can hold (see `pathProblems`), at most `limitTimesteps`; 0 if float32 cannot
 * even hold that of T = 1. Longer chains of these schedules leave less signal at their end, so the property is monotone
 * in T, and a bisection finds the limit.
 */
export function largestFiniteTimesteps(shape: ScheduleShape, limitTimesteps: number = SEARCH_LIMIT_TIMESTEPS): number {
  const overflows = (timesteps: number) =>
    pathProblems(chainPath(makeTables(makeBetas({ ...shape, timesteps })))).some((one) => one.severity !== "warning");
  return (firstTrue(overflows, limitTimesteps) ?? limitTimesteps + 1) - 1;
}

/**
 * Returns the smallest T whose chain ends at N(0, I) to within `maxBitsPerDim` of prior KL, for data of mean square 1,
 * the worst case in [-1, 1]; undefined if no T up to `limitTimesteps` does. The property is monotone for the same
 * reason as above.
 */
export function smallestNormalTimesteps(
  shape: ScheduleShape,
  maxBitsPerDim: number,
  limitTimesteps: number = SEARCH_LIMIT_TIMESTEPS,
): number | undefined {
  const isNormal = (timesteps: number) => {
    const signal = makeBetas({ ...shape, timesteps }).reduce((product, beta) => product * (1 - beta), 1);
    return priorKlOfSignal(signal, 1) <= maxBitsPerDim;
  };
  return firstTrue(isNormal, limitTimesteps);
}

/** Finds the smallest n in [1, limit] for which a monotone predicate holds: doubling, then bisection. */
function firstTrue(holds: (n: number) => boolean, limit: number): number | undefined {
  let low = 0;
  let high = 1;
  while (!holds(high)) {
    if (high === limit) return undefined;
    low = high;
    high = Math.min(high * 2, limit);
  }
  // Invariant: holds(high), and not holds(low) (or low is 0).
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}
