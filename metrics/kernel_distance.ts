import { type Float64Matrix, type MatrixProducts, plainProducts } from "./linear/matrix.ts";
import type { FeatureVectors } from "./vectors.ts";

/**
 * Squared maximum mean discrepancy of two sets by the cubic kernel (x·y / d + 1)³, unbiased, so that it can be negative:
 * the kernel inception distance of Binkowski et al. 2018 (arXiv 1801.01401), which torch-fidelity computes.
 *
 * @param x, y at least two vectors each, [n, d]
 */
export async function kernelDistance(x: Float64Matrix, y: Float64Matrix, products = plainProducts): Promise<number> {
  if (x.columns !== y.columns || x.rows < 2 || y.rows < 2) {
    const got = `${x.rows} x ${x.columns} and ${y.rows} x ${y.columns}`;
    throw new RangeError(`Kernel distance: got ${got}, wanted at least two vectors of one dimension in each`);
  }
  const within = async (set: Float64Matrix) => {
    const { total, diagonal } = await kernelSums(set, set, products);
    return (total - diagonal) / (set.rows * (set.rows - 1));
  };
  const across = (await kernelSums(x, y, products)).total / (x.rows * y.rows);
  return await within(x) + await within(y) - 2 * across;
}

async function kernelSums(x: Float64Matrix, y: Float64Matrix, products: MatrixProducts) {
  const { rows, columns, data } = await products.multiply(x, y, { transposeB: true });
  let [total, diagonal] = [0, 0];
  for (let i = 0; i < rows; i++) {
    // By row, so that a sum of a million terms does not lose digits of the later ones.
    let sum = 0;
    for (let j = 0; j < columns; j++) {
      const base = data[i * columns + j]! / x.columns + 1;
      sum += base * base * base;
    }
    total += sum;
    if (i < columns) {
      const base = data[i * columns + i]! / x.columns + 1;
      diagonal += base * base * base;
    }
  }
  return { total, diagonal };
}

export interface SubsetOptions {
  readonly subsets: number;
  readonly size: number;
  /** Indices of a subset without repetition: `count` of [0, of). A function of set and subset alone. */
  readonly choose: (set: "real" | "fake", subset: number, options: { count: number; of: number }) => Int32Array;
  readonly products?: MatrixProducts;
  readonly onSubset?: (done: number) => void;
}

/** Mean and standard deviation (over subsets, as torch-fidelity gives it) of the kernel distance of random subsets. */
export async function kernelDistanceOfSubsets(
  real: FeatureVectors,
  fake: FeatureVectors,
  { subsets, size, choose, products = plainProducts, onSubset = () => {} }: SubsetOptions,
): Promise<{ readonly mean: number; readonly deviation: number }> {
  const values: number[] = [];
  for (let subset = 0; subset < subsets; subset++) {
    const pick = async (set: "real" | "fake", vectors: FeatureVectors) => {
      const rows = await vectors.rows(choose(set, subset, { count: size, of: vectors.count }));
      return { rows: size, columns: vectors.dimension, data: Float64Array.from(rows) };
    };
    values.push(await kernelDistance(await pick("real", real), await pick("fake", fake), products));
    onSubset(subset + 1);
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / subsets;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets;
  return { mean, deviation: Math.sqrt(variance) };
}
