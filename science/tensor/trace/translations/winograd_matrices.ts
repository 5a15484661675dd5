/**
 * Matrices of the minimal filtering algorithm F(4x4, 3x3): Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
 * Networks", built by the Toom-Cook construction. A 6x6 tile of the image and the 3x3 filter are each evaluated at 36
 * points, multiplied point by point, and interpolated to 4x4 outputs: 36 products in place of 144.
 */

export const TILE_OUTPUTS = 4;
export const TILE_INPUTS = 6;
const TAPS = 3;

/**
 * The points at which the polynomials are evaluated, besides infinity. With these the float32 error is about five times
 * that of a plain sum (8.5e-7 of the result's rms for 64 channels); with the usual 0, 1, -1, 2, -2 it is twice as
 * large.
 */
const NODES = [0, 0.75, -0.75, 1.5, -1.5];

/** Returns the coefficients of the product of (x - root), constant term first. */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce((product, root) => {
    const shifted = [0, ...product];
    return shifted.map((coefficient, i) => coefficient - root * (product[i] ?? 0));
  }, [1]);
}

function others(i: number): number[] {
  return NODES.filter((_, j) => j !== i);
}

function powers(point: number, count: number, scale = 1): number[] {
  return Array.from({ length: count }, (_, k) => scale * point ** k);
}

/** A matrix that transforms the rows or the columns of a tile, or both at once; row-major. */
export type TransformMatrix = Readonly<ReturnType<typeof transform>>;

function transform(name: string, rows: readonly (readonly number[])[]) {
  return { name, rows: rows.length, columns: rows[0]!.length, data: Float32Array.from(rows.flat()) };
}

/** [6, 6], from pixels to points. */
export const INPUT_TRANSFORM = transform("input", [
  ...NODES.map((_, i) => [...polynomial(others(i)), 0]),
  polynomial(NODES),
]);

/** [6, 3], from taps to points. */
export const FILTER_TRANSFORM = transform("filter", [
  ...NODES.map((point, i) => powers(point, TAPS, 1 / others(i).reduce((product, q) => product * (point - q), 1))),
  [0, 0, 1],
]);

/** [4, 6], from points to outputs. */
export const OUTPUT_TRANSFORM = transform(
  "output",
  Array.from({ length: TILE_OUTPUTS }, (_, k) => [
    ...NODES.map((point) => point ** k),
    k === TILE_OUTPUTS - 1 ? 1 : 0,
  ]),
);

export function transposed({ name, rows, columns, data }: TransformMatrix): TransformMatrix {
  const turned = Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
  return { name: `${name} transposed`, rows: columns, columns: rows, data: turned };
}

/** Returns the transform of both axes at once, for tiles whose rows and columns are one index. */
export function bothWays({ name, rows, columns, data }: TransformMatrix): TransformMatrix {
  const both = Float32Array.from({ length: (rows * columns) ** 2 }, (_, at) => {
    const [row, column] = [Math.floor(at / columns ** 2), at % columns ** 2];
    const [i, j] = [Math.floor(row / rows), Math.floor(column / columns)];
    return data[i * columns + j]! * data[row % rows * columns + column % columns]!;
  });
  return { name: `${name}, twice`, rows: rows ** 2, columns: columns ** 2, data: both };
}
