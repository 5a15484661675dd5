import type { MatrixProducts } from "../tensor/matrix.ts";

/** Mean and covariance of a set of feature vectors, float64. */
export interface FeatureStatistics {
  readonly count: number;
  /** [D] */
  readonly mean: Float64Array;
  /** [D, D] row-major, symmetric, divided by count - 1. */
  readonly covariance: Float64Array;
}

/** Vectors that are multiplied at once: enough for an engine's full rate, a few megabytes of float64. */
export const CHUNK = 2_048;

/**
 * Mean and covariance over any number of vectors that never need to be in memory together: each chunk around its own
 * mean, merged by the rule of Chan, Golub & LeVeque (1983). Sums of squares around a mean do not cancel when the mean is
 * large.
 */
export class StreamingStatistics {
  readonly dimension: number;
  readonly #products: MatrixProducts;
  #count = 0;
  readonly #mean: Float64Array;
  /** Sum of outer products of deviations from the mean, [D, D]. */
  readonly #scatter: Float64Array;

  constructor(dimension: number, products: MatrixProducts) {
    this.dimension = dimension;
    this.#products = products;
    this.#mean = new Float64Array(dimension);
    this.#scatter = new Float64Array(dimension * dimension);
  }

  /** Take in some feature vectors, one or more and best a chunk, [N, D] row-major, of finite numbers. */
  async add(features: Float32Array | Float64Array): Promise<void> {
    const size = this.dimension;
    const rows = features.length / size;
    const mean = new Float64Array(size);
    for (let at = 0; at < features.length; at += size) {
      for (let i = 0; i < size; i++) mean[i]! += features[at + i]!;
    }
    for (let i = 0; i < size; i++) mean[i]! /= rows;
    const centred = new Float64Array(features);
    for (let at = 0; at < features.length; at += size) {
      for (let i = 0; i < size; i++) centred[at + i]! -= mean[i]!;
    }
    const block = { rows, columns: size, data: centred };
    const scatter = await this.#products.multiply(block, block, { transposeA: true });
    this.#merge(rows, mean, scatter.data);
  }

  #merge(count: number, mean: Float64Array, scatter: Float64Array): void {
    const size = this.dimension;
    const total = this.#count + count;
    const deviation = mean.map((value, i) => value - this.#mean[i]!);
    const weight = this.#count * count / total;
    for (let i = 0; i < size; i++) {
      const row = i * size;
      const scaled = weight * deviation[i]!;
      for (let j = 0; j < size; j++) this.#scatter[row + j]! += scatter[row + j]! + scaled * deviation[j]!;
    }
    for (let i = 0; i < size; i++) this.#mean[i]! += deviation[i]! * count / total;
    this.#count = total;
  }

  /** After two vectors or more: there is no covariance of one. */
  finish(): FeatureStatistics {
    const size = this.dimension;
    const covariance = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) {
        const value = this.#scatter[i * size + j]! / (this.#count - 1);
        covariance[i * size + j] = value;
        covariance[j * size + i] = value;
      }
    }
    return { count: this.#count, mean: this.#mean.slice(), covariance };
  }
}
