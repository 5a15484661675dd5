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
