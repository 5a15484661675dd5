import type { Path } from "../define.ts";

/** From time s to t, s < t, on a path. */
export interface Transition {
  /** Mean of q(x_t | x_s) as a factor of x_s. */
  readonly signal: number;
  /** Variance of q(x_t | x_s): beta between neighbours of a chain. */
  readonly variance: number;
  /** Variance of q(x_s | x_t, x_0) (Ho et al. 2020, eq. 7). */
  readonly posteriorVariance: number;
}

/** Both directions of a step between two times of any path (Kingma et al. 2021, arXiv 2107.00630, appendix A). */
export function transition(path: Path, s: number, t: number): Transition {
  const signal = path.signal(t) / path.signal(s);
  // Rounding can take the difference below zero where the two times are next to each other.
  const variance = Math.max(0, path.noise(t) ** 2 - (signal * path.noise(s)) ** 2);
  return { signal, variance, posteriorVariance: variance * (path.noise(s) / path.noise(t)) ** 2 };
}
