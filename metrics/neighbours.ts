/**
 * Finds the k vectors nearest to a query, by the Euclidean distance of their bytes: exact, in integers.
 *
 * @param among k or more vectors as long as `query`, [count, dimension] row-major
 * @returns indices into `among` and squared distances, nearest first; of two at the same distance, the first in `among`
 */
export function nearestNeighbours(query: Uint8Array, among: Uint8Array, k: number) {
  const indices = new Int32Array(k);
  const squares = new Float64Array(k).fill(Infinity);
  for (let other = 0; other < among.length / query.length; other++) {
    const sum = squaredDistance(query, among, other * query.length, squares[k - 1]!);
    if (sum >= squares[k - 1]!) continue;
    let place = k - 1;
    for (; place > 0 && squares[place - 1]! > sum; place--) {
      squares[place] = squares[place - 1]!;
      indices[place] = indices[place - 1]!;
    }
    squares[place] = sum;
    indices[place] = other;
  }
  return { indices, squares };
}

/** Number of terms between checks of the sum against the limit: most candidates exceed it long before their end. */
const STRIDE = 64;

/** @param from offset in `among` at which the other vector begins */
function squaredDistance(query: Uint8Array, among: Uint8Array, from: number, limit: number): number {
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
