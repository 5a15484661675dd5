import * as frechet from "../../science/metrics/frechet.ts";
import * as kernel from "../../science/metrics/kernel_distance.ts";
import * as subsets from "../../science/metrics/kernel_distance.ts";
import * as manifold from "../../science/metrics/manifold.ts";
import * as statistics from "../../science/metrics/statistics.ts";
import type { FeatureVectors } from "../../science/metrics/vectors.ts";
import type { Float64Matrix, MatrixProducts } from "../../science/tensor/matrix.ts";

/** @throws RangeError when the numbers are not those of a matrix of this size */
export function matrix(rows: number, columns: number, data: Float64Array): Float64Matrix {
  if (data.length !== rows * columns) {
    throw new RangeError(`Matrix: got ${data.length} numbers, wanted ${rows} x ${columns}`);
  }
  return { rows, columns, data };
}

export function transpose({ rows, columns, data }: Float64Matrix): Float64Matrix {
  const turned = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j]!;
  return { rows: columns, columns: rows, data: turned };
}

/** Matrix products in JavaScript, about 2 GFLOP/s: adequate for a few hundred rows, and the reference for engines. */
export const plainProducts: MatrixProducts = {
  // deno-lint-ignore require-await -- engines answer later
  async multiply(a, b, { transposeA = false, transposeB = false } = {}) {
    const left = transposeA ? transpose(a) : a;
    const right = transposeB ? transpose(b) : b;
    if (left.columns !== right.rows) {
      throw new RangeError(`Product: got ${left.rows} x ${left.columns} times ${right.rows} x ${right.columns}`);
    }
    const [rows, inner, columns] = [left.rows, left.columns, right.columns];
    const data = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++) {
      const out = data.subarray(i * columns, (i + 1) * columns);
      const factors = left.data.subarray(i * inner, (i + 1) * inner);
      let k = 0;
      // Four rows at once, added in the same order as one after the other: each sum is loaded and stored once for four.
      for (; k + 4 <= inner; k += 4) {
        const [a, b, c, d] = [factors[k]!, factors[k + 1]!, factors[k + 2]!, factors[k + 3]!];
        const first = k * columns;
        const [second, third, fourth] = [first + columns, first + 2 * columns, first + 3 * columns];
        for (let j = 0; j < columns; j++) {
          const two = out[j]! + a * right.data[first + j]! + b * right.data[second + j]!;
          out[j] = two + c * right.data[third + j]! + d * right.data[fourth + j]!;
        }
      }
      for (; k < inner; k++) {
        const row = k * columns;
        for (let j = 0; j < columns; j++) out[j]! += factors[k]! * right.data[row + j]!;
      }
    }
    return { rows, columns, data };
  },
};

/** The Fréchet distance with these products. */
export const frechetDistance = (a: statistics.FeatureStatistics, b: statistics.FeatureStatistics) =>
  frechet.frechetDistance(a, b, plainProducts);

type Matrix = Parameters<typeof kernel.kernelDistance>[0];
export const kernelDistance = (x: Matrix, y: Matrix) => kernel.kernelDistance(x, y, plainProducts);

export const kernelDistanceOfSubsets = (real: subsets.Chosen, fake: subsets.Chosen) =>
  subsets.kernelDistanceOfSubsets(real, fake, plainProducts);

export const manifoldFigures = (real: FeatureVectors, fake: FeatureVectors, options: { readonly k: number }) =>
  manifold.manifoldFigures(real, fake, { products: plainProducts, ...options });

export const statisticsOf = (dimension: number, chunks: Iterable<Float32Array | Float64Array>) =>
  statistics.statisticsOf(chunks, dimension, plainProducts);
