import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { FeatureStatistics } from "./statistics.ts";

export type Moments = Pick<FeatureStatistics, "mean" | "covariance">;

/**
 * Squared Frechet distance of two Gaussians, |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson & Landau 1982; the
 * formula of the FID, Heusel et al. 2017). Never negative, never complex, and right for singular covariances, such as
 * those of fewer vectors than dimensions.
 *
 * With R = S1^(1/2), the trace of (S1 S2)^(1/2) is the sum of the square roots of the eigenvalues of R S2 R, which is
 * symmetric: both decompositions are real, and eigenvalues that rounding took below zero are zero.
 *
 * @throws RangeError when the sizes do not fit or a number is not finite.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const size = a.mean.length;
  checkMoments(a, size);
  checkMoments(b, size);

  let distance = 0;
  for (let i = 0; i < size; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2;
  }
  // Equal covariances contribute nothing, and computing that nothing would leave the rounding of two decompositions.
  if (a.covariance.every((value, k) => value === b.covariance[k])) return distance;

  for (let i = 0; i < size; i++) {
    distance += a.covariance[i * size + i]! + b.covariance[i * size + i]!;
  }
  return Math.max(0, distance - 2 * traceOfRootOfProduct(toMatrix(a, size), toMatrix(b, size)));
}

function traceOfRootOfProduct(first: Matrix, second: Matrix): number {
  const root = squareRoot(first);
  const product = root.mmul(second).mmul(root);
  // The decomposition reads one triangle: average them, so that neither one's rounding is preferred.
  const symmetric = Matrix.add(product, product.transpose()).mul(0.5);
  return decompose(symmetric).realEigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

/** The symmetric square root of a symmetric matrix, with negative eigenvalues taken as zero. */
function squareRoot(matrix: Matrix): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = decompose(matrix);
  const scaled = eigenvectorMatrix.clone().mulRowVector(realEigenvalues.map((value) => Math.sqrt(Math.max(0, value))));
  return scaled.mmul(eigenvectorMatrix.transpose());
}

function decompose(matrix: Matrix): EigenvalueDecomposition {
  return new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
}

function toMatrix({ covariance }: Moments, size: number): Matrix {
  return Matrix.from1DArray(size, size, covariance);
}

function checkMoments({ mean, covariance }: Moments, size: number): void {
  if (mean.length !== size || covariance.length !== size * size || size === 0) {
    throw new RangeError(
      `Moments: got ${mean.length} means and ${covariance.length} covariances, wanted ${size} and ${size * size}`,
    );
  }
  if (!mean.every(Number.isFinite) || !covariance.every(Number.isFinite)) {
    throw new RangeError("Moments: got a number that is not finite");
  }
}
