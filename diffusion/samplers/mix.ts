/** Numbers of images, and what each of them counts. */
export type MixTerm = readonly [factor: number, of: Float32Array];

/**
 * factor a + factor b + …, number by number: added up in float64, rounded to float32 once.
 *
 * @param terms arrays of one length
 */
export function mix(...terms: readonly MixTerm[]): Float32Array<ArrayBuffer> {
  const [factors, arrays] = [terms.map(([factor]) => factor), terms.map(([, of]) => of)];
  const mixed = new Float32Array(arrays[0]!.length);
  for (let i = 0; i < mixed.length; i++) {
    let sum = 0;
    for (let k = 0; k < arrays.length; k++) sum += factors[k]! * arrays[k]![i]!;
    mixed[i] = sum;
  }
  return mixed;
}
