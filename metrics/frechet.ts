import type { Float64Matrix, MatrixProducts } from "../tensor/matrix.ts";
import { pivotedCholesky } from "./linear/pivoted_cholesky.ts";
import { symmetricEigenvalues } from "./linear/symmetric_eigenvalues.ts";
import type { FeatureStatistics } from "./statistics.ts";

/** Of what is largest. Rounding of sums in float32, 6e-8, which the factor of a singular matrix can magnify. */
const ROUNDING = 1e-4;

/** What is called a covariance is none. */
export class CovarianceError extends Error {
  override message = "a covariance has clearly negative eigenvalues, which data cannot have: there is no distance";
}

export type Moments = Pick<FeatureStatistics, "mean" | "covariance">;

/**
 * Squared Frechet distance of two Gaussians, |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson & Landau 1982; the
 * formula of the FID, Heusel et al. 2017). Never negative, never complex, and right for singular covariances, such as
 * those of fewer vectors than dimensions.
 *
 * With S1 = L Lᵀ, the trace of (S1 S2)^(1/2) is the sum of the square roots of the eigenvalues of Lᵀ S2 L, which is
 * symmetric and as small as the rank of S1: no eigenvectors are needed, and eigenvalues that rounding took below zero are
 * zero.
 *
 * @param a, b of one dimension, of finite numbers
 * @throws CovarianceError when a matrix has eigenvalues below zero that no rounding explains.
 */
export async function frechetDistance(a: Moments, b: Moments, products: MatrixProducts): Promise<number> {
  const size = a.mean.length;
  let distance = 0;
  for (let i = 0; i < size; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2;
  }
  // Equal covariances contribute nothing, and computing that nothing would leave the rounding of a decomposition.
  if (a.covariance.every((value, k) => value === b.covariance[k])) return distance;

  for (let i = 0; i < size; i++) {
    distance += a.covariance[i * size + i]! + b.covariance[i * size + i]!;
  }
  const matrixOf = ({ covariance }: Moments) => ({ rows: size, columns: size, data: covariance });
  const [first, second] = [matrixOf(a), matrixOf(b)];
  const factor = await pivotedCholesky(first, products);
  // What the factor cannot tell of is rounding, unless it is negative.
  if (sumOf(factor.data.map((value) => value ** 2)) > (1 + 10 * ROUNDING) * traceOf(first)) throw new CovarianceError();
  if (factor.columns === 0) return Math.max(0, distance);
  const half = await products.multiply(second, factor);
  const scale = traceOf(first) * traceOf(second) / size;
  const root = sumOfRoots(await products.multiply(factor, half, { transposeA: true }), scale);
  return Math.max(0, distance - 2 * root);
}

const sumOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
const traceOf = ({ rows, data }: Float64Matrix) => sumOf(data.filter((_, k) => k % (rows + 1) === 0));

/** The sum of the square roots of the eigenvalues of a symmetric matrix that should have none below zero. @param scale of its numbers */
function sumOfRoots(product: Float64Matrix, scale: number): number {
  const { rows: size, data } = product;
  // One triangle is read: average them, so that neither one's rounding is preferred.
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) data[i * size + j] = (data[i * size + j]! + data[j * size + i]!) / 2;
  }
  const eigenvalues = symmetricEigenvalues(product);
  const lowest = -ROUNDING * eigenvalues.reduce((most, value) => Math.max(most, value), scale);
  if (eigenvalues.some((value) => value < lowest)) throw new CovarianceError();
  return sumOf(eigenvalues.map((value) => Math.sqrt(Math.max(0, value))));
}
