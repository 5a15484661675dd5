import type { Float64Matrix, MatrixProducts } from "../tensor/matrix.ts";

/**
 * Computes the squared maximum mean discrepancy of two sets with the cubic kernel (x·y / d + 1)³, unbiased, so that it
 * can be negative: the kernel inception distance of Binkowski et al. 2018 (arXiv 1801.01401), which torch-fidelity
 * computes.
 *
 * @param x, y at least two vectors each, [n, d]
 */
export async function kernelDistance(x: Float64Matrix, y: Float64Matrix, products: MatrixProducts): Promise<number> {
  const within = async (set: Float64Matrix) => await pairsWithin(set, products) / (set.rows * (set.rows - 1) / 2);
  const across = await sumAcross(x, y, products) / (x.rows * y.rows);
  return await within(x) + await within(y) - 2 * across;
}

/** Number of rows that are multiplied at once where only half of the products is needed. */
const PANEL = 128;

/** @param product dot product of two vectors of this dimension */
export function cubicKernel(product: number, dimension: number): number {
  const base = product / dimension + 1;
  return base * base * base;
}

async function sumAcross(x: Float64Matrix, y: Float64Matrix, products: MatrixProducts): Promise<number> {
  const { rows, columns, data } = await products.multiply(x, y, { transposeB: true });
  let total = 0;
  for (let i = 0; i < rows; i++) {
    // Summed by row, so that a sum of a million terms does not lose digits of the later ones.
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += cubicKernel(data[i * columns + j]!, x.columns);
    total += sum;
  }
  return total;
}

/** Sums the kernel over pairs of different vectors, each pair once: panels of rows times the rows from the panel on. */
async function pairsWithin({ rows, columns, data }: Float64Matrix, products: MatrixProducts): Promise<number> {
  let total = 0;
  for (let first = 0; first < rows; first += PANEL) {
    const rest = { rows: rows - first, columns, data: data.subarray(first * columns) };
    const count = Math.min(PANEL, rest.rows);
    const panel = { rows: count, columns, data: rest.data.subarray(0, count * columns) };
    const { data: values } = await products.multiply(panel, rest, { transposeB: true });
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (let j = i + 1; j < rest.rows; j++) sum += cubicKernel(values[i * rest.rows + j]!, columns);
      total += sum;
    }
  }
  return total;
}
