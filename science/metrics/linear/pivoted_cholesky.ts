import type { Float64Matrix, MatrixProducts } from "../../tensor/matrix.ts";

/** Number of columns that are computed before the rest of the matrix is updated with them, in one product. */
const BLOCK = 64;

/**
 * Computes L with L Lᵀ = S for a symmetric S without negative eigenvalues, [n, r] with r the rank. Each step takes the
 * largest pivot, so that once pivots are as small as rounding, the remainder is rounding (Higham 2002, section 10.3;
 * LAPACK's dpstrf).
 *
 * @param s [n, n], symmetric; only its lower triangle is read
 */
export async function pivotedCholesky(s: Float64Matrix, products: MatrixProducts): Promise<Float64Matrix> {
  const size = s.rows;
  const a = s.data.slice();
  /** Row i of the factor belongs to row order[i] of S. */
  const order = Int32Array.from({ length: size }, (_, i) => i);
  // Column k of the factor is stored as row k, so that a step works on contiguous memory.
  const factor = new Float64Array(size * size);
  const pivots = Float64Array.from({ length: size }, (_, i) => a[i * size + i]!);
  const limit = size * Number.EPSILON * pivots.reduce((most, pivot) => Math.max(most, pivot), 0);
  let rank = 0;

  const swap = (i: number, j: number) => {
    if (i === j) return;
    for (let k = 0; k < size; k++) exchange(a, i * size + k, j * size + k);
    for (let k = 0; k < size; k++) exchange(a, k * size + i, k * size + j);
    for (let k = 0; k < rank; k++) exchange(factor, k * size + i, k * size + j);
    exchange(pivots, i, j);
    exchange(order, i, j);
  };

  for (let start = 0; start < size && rank === start; start += BLOCK) {
    const end = Math.min(start + BLOCK, size);
    for (let j = start; j < end; j++) {
      let best = j;
      for (let i = j + 1; i < size; i++) if (pivots[i]! > pivots[best]!) best = i;
      if (!(pivots[best]! > limit)) break;
      swap(j, best);
      const column = factor.subarray(j * size, (j + 1) * size);
      for (let i = j; i < size; i++) column[i] = a[i * size + j]!;
      for (let k = start; k < j; k++) {
        const other = factor.subarray(k * size, (k + 1) * size);
        const share = other[j]!;
        for (let i = j; i < size; i++) column[i]! -= share * other[i]!;
      }
      const root = Math.sqrt(pivots[j]!);
      column[j] = root;
      for (let i = j + 1; i < size; i++) {
        column[i]! /= root;
        pivots[i]! -= column[i]! * column[i]!;
      }
      rank = j + 1;
    }
    if (rank === end && end < size) await subtractBlock(a, factor, { start, end, size }, products);
  }
  const data = new Float64Array(size * rank);
  for (let k = 0; k < rank; k++) {
    // A column has no entries above the diagonal.
    for (let i = k; i < size; i++) data[order[i]! * rank + k] = factor[k * size + i]!;
  }
  return { rows: size, columns: rank, data };
}

/** Subtracts from S the part that the columns of a block explain, for the rows and columns after the block. */
async function subtractBlock(
  a: Float64Array,
  factor: Float64Array,
  { start, end, size }: { readonly start: number; readonly end: number; readonly size: number },
  products: MatrixProducts,
): Promise<void> {
  const left = size - end;
  const columns = new Float64Array((end - start) * left);
  for (let k = start; k < end; k++) {
    columns.set(factor.subarray(k * size + end, (k + 1) * size), (k - start) * left);
  }
  const block = { rows: end - start, columns: left, data: columns };
  const { data } = await products.multiply(block, block, { transposeA: true });
  for (let i = 0; i < left; i++) {
    const row = (end + i) * size + end;
    for (let j = 0; j < left; j++) a[row + j]! -= data[i * left + j]!;
  }
}

function exchange(values: Float64Array | Int32Array, i: number, j: number): void {
  [values[i], values[j]] = [values[j]!, values[i]!];
}
