import type { Path } from "../define.ts";

/** The factor of a term, and the term's numbers. */
export type MixTerm = readonly [factor: number, of: Float32Array];

/**
 * Computes factor a + factor b + …, element by element: summed in float64, rounded to float32 once.
 *
 * @param terms arrays of one length
 */
export function mix(...terms: readonly MixTerm[]): Float32Array<ArrayBuffer> {
  const sum = new Float64Array(terms[0]![1].length);
  for (const [factor, of] of terms) {
    for (let i = 0; i < sum.length; i++) sum[i]! += factor * of[i]!;
  }
  return new Float32Array(sum);
}

/**
 * Returns both directions of a step between two times of any path, s < t (Kingma et al. 2021, arXiv 2107.00630,
 * appendix A).
 *
 * @returns `signal`, the mean of q(x_t | x_s) as a factor of x_s; `variance` of q(x_t | x_s), which is beta between
 * neighbours of a chain; `posteriorVariance` of q(x_s | x_t, x_0) (Ho et al. 2020, eq. 7)
 */
export function transition(path: Path, s: number, t: number) {
  const signal = path.signal(t) / path.signal(s);
  // Rounding can make the difference negative if the two times are next to each other.
  const variance = Math.max(0, path.noise(t) ** 2 - (signal * path.noise(s)) ** 2);
  return { signal, variance, posteriorVariance: variance * (path.noise(s) / path.noise(t)) ** 2 };
}
