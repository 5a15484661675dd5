import type { MatrixProducts } from "../tensor/matrix.ts";
import type { FeatureVectors } from "./vectors.ts";

/** Mean and covariance of a set of feature vectors, float64. */
export interface FeatureStatistics {
  /** [D] */
  readonly mean: Float64Array;
  /** [D, D] row-major, symmetric, divided by count - 1. */
  readonly covariance: Float64Array;
}

/** Number of vectors that are multiplied at once: enough for an engine's full rate, a few megabytes of float64. */
const CHUNK = 2_048;

/** Yields the vectors of some indices in chunks of the size that suits {@linkcode statisticsOf}. */
export async function* chunksOf(vectors: FeatureVectors, indices: Int32Array): AsyncGenerator<Float32Array> {
  for (let first = 0; first < indices.length; first += CHUNK) {
    yield await vectors.rows(indices.subarray(first, first + CHUNK));
  }
}

/**
 * Computes mean and covariance over any number of vectors that need not be in memory together: each chunk around its
 * own mean, merged by the rule of Chan, Golub & LeVeque (1983). Sums of squares around a mean do not cancel when the
 * mean is large.
 *
 * @param chunks chunks [n, D] row-major of one vector or more, of finite numbers; two vectors or more in all, since one
 * has no covariance
 */
export async function statisticsOf(
  chunks: AsyncIterable<Float32Array | Float64Array> | Iterable<Float32Array | Float64Array>,
  size: number,
  products: MatrixProducts,
): Promise<FeatureStatistics> {
  let count = 0;
  const mean = new Float64Array(size);
  /** Sum of outer products of deviations from the mean, [D, D]. */
  const scatter = new Float64Array(size * size);
  for await (const features of chunks) {
    const rows = features.length / size;
    const own = new Float64Array(size);
    for (let at = 0; at < features.length; at += size) {
      for (let i = 0; i < size; i++) own[i]! += features[at + i]!;
    }
    for (let i = 0; i < size; i++) own[i]! /= rows;
    const centred = new Float64Array(features);
    for (let at = 0; at < features.length; at += size) {
      for (let i = 0; i < size; i++) centred[at + i]! -= own[i]!;
    }
    const block = { rows, columns: size, data: centred };
    const { data } = await products.multiply(block, block, { transposeA: true });
    const total = count + rows;
    const deviation = own.map((value, i) => value - mean[i]!);
    const weight = count * rows / total;
    for (let i = 0; i < size; i++) {
      const scaled = weight * deviation[i]!;
      for (let j = 0; j < size; j++) scatter[i * size + j]! += data[i * size + j]! + scaled * deviation[j]!;
      mean[i]! += deviation[i]! * rows / total;
    }
    count = total;
  }
  const covariance = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = i; j < size; j++) {
      const value = scatter[i * size + j]! / (count - 1);
      covariance[i * size + j] = value;
      covariance[j * size + i] = value;
    }
  }
  return { mean, covariance };
}
