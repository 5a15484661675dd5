import { matMul, sumOfParts } from "../emit/contract.ts";
import { gather, reshape, rowsOfPixels, withPaddingRow } from "../emit/shape.ts";
import type { ConstantValue, Graph, Value } from "../graph.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";
import { bothWays, FILTER_TRANSFORM, INPUT_TRANSFORM, OUTPUT_TRANSFORM, transposed } from "./winograd_matrices.ts";
import type { TransformMatrix } from "./winograd_matrices.ts";
import { PIXELS, POINTS, rowTable, tileCount, tilesFit, tileTable } from "./winograd_tiles.ts";

/**
 * 3x3 convolutions of stride 1 by F(4x4, 3x3): a quarter of the multiplications, and tiles that hold each pixel 2.25
 * times where columns hold it nine times. Both gradients are the adjoints of the forward map, so they use the same
 * transformed filter, and the same values of tiles and gradient.
 *
 * Every transform is a product with a constant matrix from the left, or two. The axis of points or pixels comes first
 * in its operand: tiles [36, T, C], filters [36, C, O], products [36, T, O], with T the tiles of all images.
 */

const TAPS = FILTER_TRANSFORM.columns ** 2;
const INPUT_ADJOINT = transposed(INPUT_TRANSFORM);
export const FILTER_ADJOINT: TransformMatrix = transposed(FILTER_TRANSFORM);
const OUTPUT_ADJOINT = transposed(OUTPUT_TRANSFORM);

/** [N, H, W, C], [3, 3, C, O] -> [N, outH, outW, O]. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  const products = matMul(graph, transformedTiles(graph, x, g), transformedFilter(graph, filter, g));
  const [, , , outChannels] = g.output as [number, number, number, number];
  const tiles = tileCount(g);
  const outputs = transform(graph, OUTPUT_TRANSFORM, reshape(graph, products, [POINTS, tiles * outChannels]));
  const rows = reshape(graph, outputs, [PIXELS * tiles, outChannels]);
  return reshape(graph, gather(graph, rows, rowTable(graph, g, "output"), 0), g.output);
}

/** dL/dx, [N, H, W, C]. */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const channels = g.input[3]!;
  const tiles = tileCount(g);
  const weights = transformedFilter(graph, filter, g, { recompute: true });
  const products = matMul(graph, transformedGradient(graph, dy, g), weights, { transposeB: true });
  const flat = reshape(graph, products, [POINTS, tiles * channels]);
  const shares = reshape(graph, transform(graph, INPUT_ADJOINT, flat), [POINTS * tiles, channels]);
  const parts = gather(graph, withPaddingRow(graph, shares), rowTable(graph, g, "input"), 0);
  return reshape(graph, sumOfParts(graph, parts), g.input);
}

/** dL/dfilter, [3, 3, C, O]. */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  const tiles = transformedTiles(graph, x, g);
  const sums = matMul(graph, tiles, transformedGradient(graph, dy, g), { transposeA: true });
  const [, , inChannels, outChannels] = g.filter as [number, number, number, number];
  const flat = reshape(graph, sums, [POINTS, inChannels * outChannels]);
  return reshape(graph, transform(graph, FILTER_ADJOINT, flat), g.filter);
}

/** Returns the transformed tiles, [36, T, C]. */
function transformedTiles(graph: Graph, x: Value, g: ConvolutionGeometry): Value {
  const channels = g.input[3]!;
  const tiles = gather(graph, withPaddingRow(graph, rowsOfPixels(graph, x)), tileTable(graph, g, "input"), 0);
  const flat = reshape(graph, tiles, [POINTS, tileCount(g) * channels]);
  return reshape(graph, transform(graph, INPUT_TRANSFORM, flat), [POINTS, tileCount(g), channels]);
}

/**
 * Returns the transformed filter, [36, C, O].
 * @param options.recompute true to compute it even if the graph has it already: it is four times the filter's size, so
 * computing it is cheaper than keeping it from the forward pass to the gradient. A different form of the product keeps
 * the graph from treating the two as one value.
 */
export function transformedFilter(
  graph: Graph,
  filter: Value,
  g: ConvolutionGeometry,
  { recompute = false }: { readonly recompute?: boolean } = {},
): Value {
  const [, , inChannels, outChannels] = g.filter as [number, number, number, number];
  const taps = reshape(graph, filter, [TAPS, inChannels * outChannels]);
  const points = recompute
    ? matMul(graph, denseMatrix(graph, FILTER_ADJOINT), taps, { transposeA: true })
    : transform(graph, FILTER_TRANSFORM, taps);
  return reshape(graph, points, [POINTS, inChannels, outChannels]);
}

/** Returns the transformed gradient, [36, T, O]. */
function transformedGradient(graph: Graph, dy: Value, g: ConvolutionGeometry): Value {
  const channels = g.output[3]!;
  const pixels = rowsOfPixels(graph, dy);
  const tiles = gather(graph, tilesFit(g) ? pixels : withPaddingRow(graph, pixels), tileTable(graph, g, "output"), 0);
  const flat = reshape(graph, tiles, [PIXELS, tileCount(g) * channels]);
  return reshape(graph, transform(graph, OUTPUT_ADJOINT, flat), [POINTS, tileCount(g), channels]);
}

/** With fewer columns to transform, or smaller tiles, a second operation costs more than it saves. */
const TWO_STEP_LENGTH = 2 ** 14;
const TWO_STEP_TILE = 6;

/**
 * Transforms [k k, n] -> [m m, n] by a matrix [m, k]: one product with a matrix for both axes, or one for the rows of
 * the tiles and one for their columns, with a third to half of the multiplications.
 */
function transform(graph: Graph, matrix: TransformMatrix, x: Value): Value {
  const [{ rows, columns }, length] = [matrix, x.shape[1]!];
  if (length < TWO_STEP_LENGTH || columns < TWO_STEP_TILE) return matMul(graph, denseMatrix(graph, matrix), x);
  const one = constantMatrix(graph, matrix);
  const halfway = matMul(graph, one, reshape(graph, x, [columns, columns * length]));
  const whole = matMul(graph, one, reshape(graph, halfway, [rows, columns, length]));
  return reshape(graph, whole, [rows ** 2, length]);
}

/** Returns one constant for all layers, so that what forward and backward pass have in common is computed once. */
export function constantMatrix(graph: Graph, { name, rows, columns, data }: TransformMatrix): ConstantValue {
  return graph.table(`winograd ${name}`, () => graph.constant("float32", [rows, columns], data));
}

function denseMatrix(graph: Graph, matrix: TransformMatrix): ConstantValue {
  return graph.table(`winograd both ${matrix.name}`, () => constantMatrix(graph, bothWays(matrix)));
}
