import type { Float64Matrix, MatrixProducts } from "../tensor/matrix.ts";
import { pivotedCholesky } from "./linear/pivoted_cholesky.ts";
import { symmetricEigenvalues } from "./linear/symmetric_eigenvalues.ts";
import type { FeatureStatistics } from "./statistics.ts";

/**
 * Tolerance relative to the largest value: rounding of float32 sums, 6e-8, which the factor of a singular matrix can
 * magnify.
 */
const ROUNDING = 1e-4;

/** Thrown if a matrix that is given as a covariance is not one. */
export class CovarianceError extends Error {
  override message = "a covariance has clearly negative eigenvalues, which data cannot have: there is no distance";
}

/**
 * Computes the squared Frechet distance of two Gaussians, |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson & Landau
 * 1982; the formula of the FID, Heusel et al. 2017). The result is never negative, never complex, and right for
 * singular covariances, such as those of fewer vectors than dimensions.
 *
 * With S1 = L Lᵀ, the trace of (S1 S2)^(1/2) is the sum of the square roots of the eigenvalues of Lᵀ S2 L, which is
 * symmetric and as small as the rank of S1: no eigenvectors are needed, and eigenvalues that rounding made negative
 * count as zero.
 *
 * @param a, b moments of the same dimension, of finite numbers
 * @throws CovarianceError when a matrix has negative eigenvalues that rounding does not explain.
 */
export async function frechetDistance(
  a: FeatureStatistics,
  b: FeatureStatistics,
  products: MatrixProducts,
): Promise<number> {
  const size = a.mean.length;
  let distance = 0;
  for (let i = 0; i < size; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2;
  }
  // Equal covariances contribute exactly 0; computing their term would add the rounding of a decomposition.
  if (a.covariance.every((value, k) => value === b.covariance[k])) return distance;

  for (let i = 0; i < size; i++) {
    distance += a.covariance[i * size + i]! + b.covariance[i * size + i]!;
  }
  const matrixOf = ({ covariance }: FeatureStatistics) => ({ rows: size, columns: size, data: covariance });
  const [first, second] = [matrixOf(a), matrixOf(b)];
  const factor = await pivotedCholesky(first, products);
  // A difference between a covariance and its factor is rounding, unless the covariance has negative eigenvalues.
  if (sumOf(factor.data.map((value) => value ** 2)) > (1 + 10 * ROUNDING) * traceOf(first)) throw new CovarianceError();
  if (factor.columns === 0) return Math.max(0, distance);
  const half = await products.multiply(second, factor);
  const scale = traceOf(first) * traceOf(second) / size;
  const root = sumOfRoots(await products.multiply(factor, half, { transposeA: true }), scale);
  return Math.max(0, distance - 2 * root);
}

const sumOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
const traceOf = ({ rows, data }: Float64Matrix) => sumOf(data.filter((_, k) => k % (rows + 1) === 0));

/**
 * Sums the square roots of the eigenvalues of a symmetric matrix that should have no negative ones.
 * @param scale magnitude of the matrix's numbers
 */
function sumOfRoots(product: Float64Matrix, scale: number): number {
  const { rows: size, data } = product;
  // The eigenvalues are computed from one triangle, so the two are averaged: neither one's rounding is preferred.
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) data[i * size + j] = (data[i * size + j]! + data[j * size + i]!) / 2;
  }
  const eigenvalues = symmetricEigenvalues(product);
  const lowest = -ROUNDING * eigenvalues.reduce((most, value) => Math.max(most, value), scale);
  if (eigenvalues.some((value) => value < lowest)) throw new CovarianceError();
  return sumOf(eigenvalues.map((value) => Math.sqrt(Math.max(0, value))));
}
