/** Feature vectors, [count, dimension] float32, which may be on disk. */
export interface FeatureVectors {
  readonly count: number;
  readonly dimension: number;
  /** Returns the vectors of these indices, in this order, [indices, dimension] row-major. */
  rows(indices: ArrayLike<number>): Promise<Float32Array>;
}

/** Wraps vectors that are in memory. */
export function vectorsOf(data: Float32Array, dimension: number): FeatureVectors {
  return {
    count: data.length / dimension,
    dimension,
    rows: (indices) => Promise.resolve(takeRows(data, dimension, indices)),
  };
}

/** Copies rows of so many numbers, in the order of their indices. */
export function takeRows<V extends Uint8Array | Uint16Array | Float32Array>(
  values: V,
  size: number,
  indices: ArrayLike<number>,
): V {
  const rows = new (values.constructor as new (length: number) => V)(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    rows.set(values.subarray(indices[i]! * size, (indices[i]! + 1) * size), i * size);
  }
  return rows;
}

/** Returns consecutive indices from `first`. */
export function range(first: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => first + i);
}

/** Returns the index of the first number that is NaN or infinite; -1 if there is none. */
export function firstNotFinite(values: Float32Array | Float64Array): number {
  for (let i = 0; i < values.length; i++) {
    // x - x is NaN for infinities as well.
    if (values[i]! - values[i]! !== 0) return i;
  }
  return -1;
}
