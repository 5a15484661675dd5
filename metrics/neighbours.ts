/** The nearest vectors of a set to each of some others. */
export interface Neighbours {
  /** [queries, k], nearest first; of two as near the first. */
  readonly indices: Int32Array;
  /** Squared distances, [queries, k]. */
  readonly squares: Float64Array;
}

export interface ByteVectors {
  /** [count, dimension] row-major. */
  readonly data: Uint8Array;
  readonly count: number;
}

/**
 * The k nearest of `among` to each of `queries`, by the Euclidean distance of their bytes: exact, in whole numbers.
 *
 * @param among k or more
 */
export function nearestNeighbours(
  queries: ByteVectors,
  among: ByteVectors,
  { dimension, k }: { readonly dimension: number; readonly k: number },
): Neighbours {
  const indices = new Int32Array(queries.count * k);
  const squares = new Float64Array(queries.count * k).fill(Infinity);
  for (let query = 0; query < queries.count; query++) {
    const own = squares.subarray(query * k, (query + 1) * k);
    const places = indices.subarray(query * k, (query + 1) * k);
    const from = query * dimension;
    for (let other = 0; other < among.count; other++) {
      const sum = squaredDistance(queries.data, from, among.data, other * dimension, dimension, own[k - 1]!);
      if (sum >= own[k - 1]!) continue;
      let place = k - 1;
      for (; place > 0 && own[place - 1]! > sum; place--) {
        own[place] = own[place - 1]!;
        places[place] = places[place - 1]!;
      }
      own[place] = sum;
      places[place] = other;
    }
  }
  return { indices, squares };
}

/** Numbers between looks at whether the sum is past what counts: most candidates are, long before their end. */
const STRIDE = 64;

function squaredDistance(
  a: Uint8Array,
  fromA: number,
  b: Uint8Array,
  fromB: number,
  length: number,
  limit: number,
): number {
  let sum = 0;
  for (let start = 0; start < length; start += STRIDE) {
    const end = Math.min(start + STRIDE, length);
    for (let i = start; i < end; i++) {
      const difference = a[fromA + i]! - b[fromB + i]!;
      sum += difference * difference;
    }
    if (sum >= limit) return Infinity;
  }
  return sum;
}
