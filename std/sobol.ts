/**
 * Points that fill a cube evenly: Sobol's sequence (1967) with the direction numbers of Joe and Kuo (2008),
 * new-joe-kuo-6.21201, in the order of Gray codes (Antonov and Saleev 1979), as SciPy's `qmc.Sobol(scramble=False)`
 * has them.
 */
const BITS = 30;

/** For each dimension after the first: the coefficients of its polynomial as bits, and its first direction numbers. */
const DIRECTIONS: readonly (readonly [coefficients: number, ...first: number[]])[] = [
  [0, 1],
  [1, 1, 3],
  [1, 1, 3, 1],
  [2, 1, 1, 1],
  [1, 1, 1, 3, 3],
  [4, 1, 3, 5, 13],
  [2, 1, 1, 5, 5, 17],
  [4, 1, 1, 5, 5, 5],
  [7, 1, 1, 7, 11, 19],
];

/** Returns the direction numbers of a dimension, of 0 to 9, as fractions of 2^30. */
function directionsOf(dimension: number): readonly number[] {
  if (dimension === 0) return Array.from({ length: BITS }, (_, k) => 1 << (BITS - 1 - k));
  const [coefficients, ...first] = DIRECTIONS[dimension - 1]!;
  const found = first.map((one, k) => one << (BITS - 1 - k));
  const degree = first.length;
  for (let k = degree; k < BITS; k++) {
    let next = found[k - degree]! ^ (found[k - degree]! >>> degree);
    for (let i = 1; i < degree; i++) if ((coefficients >> (degree - 1 - i)) & 1) next ^= found[k - i]!;
    found.push(next);
  }
  return found;
}

/**
 * Yields the first points of the sequence, of [0, 1) in each dimension. More points have these as their first.
 * @param count at most 2^30
 * @param dimensions from 1 to 10
 */
export function* sobolPoints(count: number, dimensions: number): Generator<number[]> {
  const directions = Array.from({ length: dimensions }, (_, dimension) => directionsOf(dimension));
  for (let n = 0; n < count; n++) {
    const gray = n ^ (n >>> 1);
    yield directions.map((own) => own.reduce((x, one, k) => (gray >>> k) & 1 ? x ^ one : x, 0) / 2 ** BITS);
  }
}
