import { matMul } from "../emit/contract.ts";
import { reshape, transpose } from "../emit/shape.ts";
import type { Graph, Shape, Value } from "../graph.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";
import { constantMatrix, FILTER_ADJOINT, transformedFilter } from "./conv_winograd.ts";
import { INPUT_TRANSFORM, OUTPUT_TRANSFORM, TILE_INPUTS, TILE_OUTPUTS, transposed } from "./winograd_matrices.ts";
import type { TransformMatrix } from "./winograd_matrices.ts";

/**
 * The convolutions of `conv_winograd.ts` for small images: the transforms of all tiles along an axis are one matrix,
 * mostly zeros, which also pads, and whose transpose sums where tiles overlap. So nothing is gathered, and there are
 * half as many passes over memory; but the zeros are multiplied as well, so this is only for small images.
 *
 * Images have their pixels first here, [H, W, N, C]: `passes/pixels_first.ts` keeps this order from layer to layer.
 * Points are [6, tiles down, 6, tiles across N, C].
 */

/** [N, H, W, C], [3, 3, C, O] -> [N, outH, outW, O]. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  const products = matMul(graph, inputPoints(graph, x, g), filterPoints(graph, filter, g));
  return fromPoints(graph, products, axesOf(g, "output"), g.output);
}

/** dL/dx, [N, H, W, C]. */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const weights = filterPoints(graph, filter, g, { recompute: true });
  const products = matMul(graph, outputPoints(graph, dy, g), weights, { transposeB: true });
  return fromPoints(graph, products, axesOf(g, "input").map(transposed), g.input);
}

/** dL/dfilter, [3, 3, C, O]. */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  const perRow = matMul(graph, inputPoints(graph, x, g), outputPoints(graph, dy, g), { transposeA: true });
  const [tall, , inChannels, outChannels] = g.filter as [number, number, number, number];
  const size = inChannels * outChannels;
  const taps = axisOf(g, "taps", 0);
  const half = matMul(graph, constantMatrix(graph, taps), reshape(graph, perRow, [taps.columns, TILE_INPUTS * size]));
  const across = reshape(graph, half, [tall, TILE_INPUTS, size]);
  return reshape(graph, matMul(graph, constantMatrix(graph, FILTER_ADJOINT), across), g.filter);
}

/** Returns the transforms of the rows and of the columns. */
function axesOf(g: ConvolutionGeometry, of: "input" | "output"): TransformMatrix[] {
  return ([0, 1] as const).map((axis) => axisOf(g, of, axis));
}

/**
 * Returns the transforms of all tiles along an axis as one matrix; points are ordered tile by tile within each of the
 * six.
 */
function axisOf(g: ConvolutionGeometry, of: "input" | "output" | "taps", axis: 0 | 1): TransformMatrix {
  const [size, out, padding] = [g.input[1 + axis]!, g.output[1 + axis]!, g.pads[axis]!];
  const tiles = Math.ceil(out / TILE_OUTPUTS);
  const points = TILE_INPUTS * tiles;
  const start = (point: number) => TILE_OUTPUTS * (point % tiles);
  const make = (rows: number, columns: number, at: (row: number, column: number) => number | undefined) => ({
    name: `${of} of ${size}, ${out}, ${padding}`,
    rows,
    columns,
    data: Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns) ?? 0),
  });
  const point = (column: number) => Math.floor(column / tiles);
  switch (of) {
    case "input":
      return make(points, size, (row, y) => entry(INPUT_TRANSFORM, point(row), y + padding - start(row)));
    case "output":
      return make(out, points, (y, column) => entry(OUTPUT_TRANSFORM, y - start(column), point(column)));
    case "taps":
      return make(FILTER_ADJOINT.rows, points, (tap, column) => entry(FILTER_ADJOINT, tap, point(column)));
  }
}

function entry({ rows, columns, data }: TransformMatrix, row: number, column: number): number | undefined {
  return row >= 0 && row < rows && column >= 0 && column < columns ? data[row * columns + column] : undefined;
}

function inputPoints(graph: Graph, x: Value, g: ConvolutionGeometry): Value {
  return toPoints(graph, x, axesOf(g, "input"));
}

function outputPoints(graph: Graph, dy: Value, g: ConvolutionGeometry): Value {
  return toPoints(graph, dy, axesOf(g, "output").map(transposed));
}

function toPoints(graph: Graph, x: Value, transforms: readonly TransformMatrix[]): Value {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const [down, across] = transforms as [TransformMatrix, TransformMatrix];
  const pixels = reshape(graph, transpose(graph, x, [1, 2, 0, 3]), [h, w * n * c]);
  const half = reshape(graph, matMul(graph, constantMatrix(graph, down), pixels), [down.rows, w, n * c]);
  const points = matMul(graph, constantMatrix(graph, across), half);
  return reshape(graph, points, [TILE_INPUTS, down.rows / TILE_INPUTS, TILE_INPUTS, across.rows / TILE_INPUTS * n, c]);
}

function fromPoints(graph: Graph, points: Value, transforms: readonly TransformMatrix[], images: Shape): Value {
  const [n, h, w, c] = images as [number, number, number, number];
  const [down, across] = transforms as [TransformMatrix, TransformMatrix];
  const half = matMul(
    graph,
    constantMatrix(graph, across),
    reshape(graph, points, [down.columns, across.columns, n * c]),
  );
  const pixels = matMul(graph, constantMatrix(graph, down), reshape(graph, half, [down.columns, w * n * c]));
  return transpose(graph, reshape(graph, pixels, [h, w, n, c]), [2, 0, 1, 3]);
}

/** Returns the transformed filter, [6, 1, 6, C, O]. */
function filterPoints(graph: Graph, filter: Value, g: ConvolutionGeometry, options?: { readonly recompute: boolean }) {
  const points = transformedFilter(graph, filter, g, options);
  return reshape(graph, points, [TILE_INPUTS, 1, TILE_INPUTS, ...points.shape.slice(1)]);
}
