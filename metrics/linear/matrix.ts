/** A matrix of float64 numbers, row-major. */
export interface Float64Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** What multiplies matrices in float64: an engine where the matrices are large, `plainProducts` anywhere. */
export interface MatrixProducts {
  /** op(a) op(b), where op transposes or not. */
  multiply(a: Float64Matrix, b: Float64Matrix, options?: ProductOptions): Promise<Float64Matrix>;
}

/** @throws RangeError when the data are not of that size */
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

/** Products in JavaScript, about 1 GFLOP/s: right for a few hundred rows, and what engines are compared with. */
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
      for (let k = 0; k < inner; k++) {
        const factor = left.data[i * inner + k]!;
        const row = k * columns;
        for (let j = 0; j < columns; j++) out[j]! += factor * right.data[row + j]!;
      }
    }
    return { rows, columns, data };
  },
};
