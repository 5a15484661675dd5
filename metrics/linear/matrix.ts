import type { Float64Matrix } from "../../tensor/matrix.ts";

export type { Float64Matrix, MatrixProducts } from "../../tensor/matrix.ts";

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
