/** Mean and covariance of a set of feature vectors, float64. */
export interface FeatureStatistics {
  readonly count: number;
  /** [D] */
  readonly mean: Float64Array;
  /** [D, D] row-major, symmetric, divided by count - 1. */
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance over any number of vectors that never need to be in memory together: Welford's update per
 * vector, and Chan, Golub & LeVeque's (1983) rule to merge parts. Sums of squares around the running mean do not cancel
 * when the mean is large.
 */
export class StreamingStatistics {
  readonly dimension: number;
  #count = 0;
  readonly #mean: Float64Array;
  /** Sum of outer products of deviations from the mean; only the upper triangle is kept up to date. */
  readonly #scatter: Float64Array;

  constructor(dimension: number) {
    if (!Number.isInteger(dimension) || dimension < 1) {
      throw new RangeError(`Feature dimension: got ${dimension}, wanted an integer >= 1`);
    }
    this.dimension = dimension;
    this.#mean = new Float64Array(dimension);
    this.#scatter = new Float64Array(dimension * dimension);
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Take in feature vectors, [N, D] row-major.
   *
   * @throws RangeError when the length is not a multiple of D or a number is not finite; nothing is taken in then.
   */
  add(features: Float32Array | Float64Array): void {
    const size = this.dimension;
    if (features.length % size !== 0) {
      throw new RangeError(`Features: got ${features.length} numbers, wanted a multiple of ${size}`);
    }
    const bad = features.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new RangeError(
        `Feature ${bad % size} of vector ${Math.floor(bad / size)}: got ${features[bad]}, wanted a finite number`,
      );
    }
    const deviation = new Float64Array(size);
    for (let start = 0; start < features.length; start += size) {
      this.#count++;
      for (let i = 0; i < size; i++) {
        deviation[i] = features[start + i]! - this.#mean[i]!;
        this.#mean[i]! += deviation[i]! / this.#count;
      }
      this.#addOuter(deviation, (this.#count - 1) / this.#count);
    }
  }

  /** Take in all that another accumulator of the same dimension has seen; the other is left as it was. */
  merge(other: StreamingStatistics): void {
    if (other.dimension !== this.dimension) {
      throw new RangeError(`Statistics to merge: got dimension ${other.dimension}, wanted ${this.dimension}`);
    }
    if (other.#count === 0) return;
    const total = this.#count + other.#count;
    const deviation = other.#mean.map((value, i) => value - this.#mean[i]!);
    const weight = this.#count * other.#count / total;
    for (let k = 0; k < this.#scatter.length; k++) this.#scatter[k]! += other.#scatter[k]!;
    this.#addOuter(deviation, weight);
    for (let i = 0; i < this.dimension; i++) this.#mean[i]! += deviation[i]! * other.#count / total;
    this.#count = total;
  }

  /** @throws RangeError when fewer than two vectors were taken in: there is no covariance of one. */
  finish(): FeatureStatistics {
    if (this.#count < 2) {
      throw new RangeError(`Feature vectors: got ${this.#count}, wanted at least 2 for a covariance`);
    }
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

  #addOuter(vector: Float64Array, weight: number): void {
    const size = this.dimension;
    for (let i = 0; i < size; i++) {
      const scaled = weight * vector[i]!;
      const row = i * size;
      for (let j = i; j < size; j++) this.#scatter[row + j]! += scaled * vector[j]!;
    }
  }
}
