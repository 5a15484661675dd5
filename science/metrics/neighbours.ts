/** The nearest of the vectors seen so far: indices and squared distances, nearest first. */
interface Neighbours {
  readonly indices: Int32Array;
  /** Infinity for places that no vector has taken yet. */
  readonly squares: Float64Array;
}

export function noNeighbours(k: number): Neighbours {
  return { indices: new Int32Array(k), squares: new Float64Array(k).fill(Infinity) };
}

/**
 * Adds vectors to those that were searched for the nearest to a query, by the Euclidean distance of their values: for
 * integers exact. Of two vectors at the same distance, the first is nearer.
 *
 * @param found changed in place
 * @param among vectors as long as `query`, [count, dimension] row-major
 * @param first index of the first of them
 */
export function addNeighbours(
  { indices, squares }: Neighbours,
  query: ArrayLike<number>,
  among: ArrayLike<number>,
  first = 0,
): void {
  const last = squares.length - 1;
  for (let other = 0; other < among.length / query.length; other++) {
    const sum = squaredDistance(query, among, other * query.length, squares[last]!);
    if (sum >= squares[last]!) continue;
    let place = last;
    for (; place > 0 && squares[place - 1]! > sum; place--) {
      squares[place] = squares[place - 1]!;
      indices[place] = indices[place - 1]!;
    }
    squares[place] = sum;
    indices[place] = first + other;
  }
}

/** Number of terms between checks of the sum against the limit: most candidates exceed it long before their end. */
const STRIDE = 64;

/** @param from offset in `among` at which the other vector begins */
function squaredDistance(query: ArrayLike<number>, among: ArrayLike<number>, from: number, limit: number): number {
  let sum = 0;
  for (let start = 0; start < query.length; start += STRIDE) {
    const end = Math.min(start + STRIDE, query.length);
    for (let i = start; i < end; i++) {
      const difference = query[i]! - among[from + i]!;
      sum += difference * difference;
    }
    if (sum >= limit) return Infinity;
  }
  return sum;
}
