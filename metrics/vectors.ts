/** Feature vectors that need not be in memory, [count, dimension] float32. */
export interface FeatureVectors {
  readonly count: number;
  readonly dimension: number;
  /** The vectors of these indices, in their order, [indices, dimension] row-major. */
  rows(indices: ArrayLike<number>): Promise<Float32Array>;
}

/** Vectors in memory. */
export function vectorsOf(data: Float32Array, dimension: number): FeatureVectors {
  return {
    count: data.length / dimension,
    dimension,
    // deno-lint-ignore require-await -- others read from a file
    async rows(indices) {
      const rows = new Float32Array(indices.length * dimension);
      for (let i = 0; i < indices.length; i++) {
        rows.set(data.subarray(indices[i]! * dimension, (indices[i]! + 1) * dimension), i * dimension);
      }
      return rows;
    },
  };
}

/** Consecutive indices from `first`. */
export function range(first: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => first + i);
}

/** Place of the first number that is NaN or infinite; -1 where there is none. */
export function firstNotFinite(values: Float32Array | Float64Array): number {
  for (let i = 0; i < values.length; i++) {
    // Infinity less itself is NaN, too.
    if (values[i]! - values[i]! !== 0) return i;
  }
  return -1;
}
