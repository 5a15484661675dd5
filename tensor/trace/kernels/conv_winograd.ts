import { splat } from "../emit/constants.ts";
import { matMul, sumOfParts } from "../emit/contract.ts";
import { concat, gather, reshape } from "../emit/shape.ts";
import { sizeOf } from "../graph.ts";
import type { ConstantValue, Graph, Value } from "../graph.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";
import {
  bothWays,
  FILTER_TRANSFORM,
  INPUT_TRANSFORM,
  OUTPUT_TRANSFORM,
  TILE_INPUTS,
  TILE_OUTPUTS,
  type TransformMatrix,
  transposed,
  withZeros,
} from "./winograd_matrices.ts";

/**
 * 3x3 convolutions of stride 1 by F(4x4, 3x3): a quarter of the multiplications, and tiles that hold each pixel 2.25
 * times where columns hold it nine times. Both gradients are the adjoints of the forward map, so they use the same
 * transformed filter, and the same values of tiles and gradient.
 *
 * Every transform is a product with a constant matrix from the left, or two; what it acts on has its points or pixels
 * first: tiles [36, T, C], filters [36, C, O], products [36, T, O], with T the tiles of all images.
 */

const POINTS = TILE_INPUTS ** 2;
const PIXELS = TILE_OUTPUTS ** 2;
const TAPS = FILTER_TRANSFORM.columns ** 2;
/** Of the shares that a tile has in the gradient of its pixels: one column is zeros. */
const SHARE_COLUMNS = TILE_INPUTS + 1;

/** [N, H, W, C], [3, 3, C, O] -> [N, outH, outW, O]. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  const products = matMul(graph, transformedTiles(graph, x, g), transformedFilter(graph, filter, g));
  const [, , , outChannels] = g.output as [number, number, number, number];
  const tiles = tileCount(g);
  const outputs = transform(graph, OUTPUT_TRANSFORM, reshape(graph, products, [POINTS, tiles * outChannels]));
  const rows = reshape(graph, outputs, [PIXELS * tiles, outChannels]);
  return reshape(graph, gather(graph, rows, outputTable(graph, g), 0), g.output);
}

/** dL/dx, [N, H, W, C]. */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const channels = g.input[3]!;
  const tiles = tileCount(g);
  const weights = transformedFilter(graph, filter, g, { anew: true });
  const products = matMul(graph, transformedGradient(graph, dy, g), weights, { transposeB: true });
  const adjoint = transposed(INPUT_TRANSFORM);
  // A column of zeros more, [6, 7, T, C]: what pixels get from tiles that do not see them.
  const shares = transform(graph, adjoint, reshape(graph, products, [POINTS, tiles * channels]), withZeros(adjoint));
  const perTile = reshape(graph, shares, [TILE_INPUTS * SHARE_COLUMNS * tiles, channels]);
  return reshape(graph, sumOfParts(graph, gather(graph, perTile, scatterTable(graph, g), 0)), g.input);
}

/** dL/dfilter, [3, 3, C, O]. */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  const tiles = transformedTiles(graph, x, g);
  const sums = matMul(graph, tiles, transformedGradient(graph, dy, g), { transposeA: true });
  const [, , inChannels, outChannels] = g.filter as [number, number, number, number];
  const flat = reshape(graph, sums, [POINTS, inChannels * outChannels]);
  return reshape(graph, transform(graph, transposed(FILTER_TRANSFORM), flat), g.filter);
}

/** [36, T, C]. */
function transformedTiles(graph: Graph, x: Value, g: ConvolutionGeometry): Value {
  const channels = g.input[3]!;
  const pixels = reshape(graph, x, [sizeOf(g.input) / channels, channels]);
  const tiles = gather(graph, withZeroRow(graph, pixels), tileTable(graph, g), 0);
  const flat = reshape(graph, tiles, [POINTS, tileCount(g) * channels]);
  return reshape(graph, transform(graph, INPUT_TRANSFORM, flat), [POINTS, tileCount(g), channels]);
}

/**
 * [36, C, O].
 * @param options.anew compute it although the graph has it: four times as large as the filter, it is cheaper to compute
 *   than to keep from the forward pass to the gradient. The same product in another form is not taken for the same value.
 */
function transformedFilter(
  graph: Graph,
  filter: Value,
  g: ConvolutionGeometry,
  { anew = false }: { readonly anew?: boolean } = {},
): Value {
  const [, , inChannels, outChannels] = g.filter as [number, number, number, number];
  const taps = reshape(graph, filter, [TAPS, inChannels * outChannels]);
  const matrix = bothWays(FILTER_TRANSFORM, FILTER_TRANSFORM);
  const points = anew
    ? matMul(graph, constantMatrix(graph, transposed(matrix)), taps, { transposeA: true })
    : matMul(graph, constantMatrix(graph, matrix), taps);
  return reshape(graph, points, [POINTS, inChannels, outChannels]);
}

/** [36, T, O]. */
function transformedGradient(graph: Graph, dy: Value, g: ConvolutionGeometry): Value {
  const [, height, width, channels] = g.output as [number, number, number, number];
  const pixels = reshape(graph, dy, [sizeOf(g.output) / channels, channels]);
  const whole = height % TILE_OUTPUTS === 0 && width % TILE_OUTPUTS === 0;
  const tiles = gather(graph, whole ? pixels : withZeroRow(graph, pixels), gradientTable(graph, g), 0);
  const flat = reshape(graph, tiles, [PIXELS, tileCount(g) * channels]);
  return reshape(graph, transform(graph, transposed(OUTPUT_TRANSFORM), flat), [POINTS, tileCount(g), channels]);
}

/** With fewer columns to transform, or smaller tiles, what a second operation costs is more than it saves. */
const TWO_STEP_LENGTH = 2 ** 14;
const TWO_STEP_TILE = 6;

/**
 * [k k, n] -> [m m', n] by matrices [m, k] and [m', k], which are the same unless given: one product with a matrix for
 * both, or one for the rows of the tiles and one for their columns, a third of the multiplications.
 */
function transform(graph: Graph, down: TransformMatrix, x: Value, across = down): Value {
  const [{ rows, columns }, length] = [down, x.shape[1]!];
  if (length < TWO_STEP_LENGTH || columns < TWO_STEP_TILE) {
    return matMul(graph, constantMatrix(graph, bothWays(down, across)), x);
  }
  const halfway = matMul(graph, constantMatrix(graph, down), reshape(graph, x, [columns, columns * length]));
  const whole = matMul(graph, constantMatrix(graph, across), reshape(graph, halfway, [rows, columns, length]));
  return reshape(graph, whole, [rows * across.rows, length]);
}

/** One constant for all layers, so that what forward and backward pass have in common is computed once. */
function constantMatrix(graph: Graph, { name, rows, columns, data }: TransformMatrix): Value {
  return graph.table(`winograd ${name}`, () => graph.constant("float32", [rows, columns], data));
}

function withZeroRow(graph: Graph, rows: Value): Value {
  return concat(graph, [rows, splat(graph, "float32", [1, rows.shape[1]!], 0)], 0);
}

interface Tiling {
  readonly batch: number;
  readonly down: number;
  readonly across: number;
}

function tiling({ output }: ConvolutionGeometry): Tiling {
  const [batch, height, width] = output as [number, number, number];
  return { batch, down: Math.ceil(height / TILE_OUTPUTS), across: Math.ceil(width / TILE_OUTPUTS) };
}

export function tileCount(g: ConvolutionGeometry): number {
  const { batch, down, across } = tiling(g);
  return batch * down * across;
}

/** Pixel of the images that each place of each tile holds, [36, T]; one past the last for none. */
function tileTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const [batch, height, width] = g.input as [number, number, number];
  return table(graph, "tile", g, [POINTS, tileCount(g)], (entries) => {
    eachPlace(g, TILE_INPUTS, (place, tile, image, y, x) => {
      const [row, column] = [y - g.pads[0]!, x - g.pads[1]!];
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      entries[place * tileCount(g) + tile] = inside ? (image * height + row) * width + column : batch * height * width;
    });
  });
}

/** Pixel of the output that each place of each tile is, [16, T]; one past the last for none. */
function gradientTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const [batch, height, width] = g.output as [number, number, number];
  return table(graph, "gradient", g, [PIXELS, tileCount(g)], (entries) => {
    eachPlace(g, TILE_OUTPUTS, (place, tile, image, y, x) => {
      const inside = y < height && x < width;
      entries[place * tileCount(g) + tile] = inside ? (image * height + y) * width + x : batch * height * width;
    });
  });
}

/** Row (place, tile) of each pixel of the output, [N outH outW]. */
function outputTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const [batch, height, width] = g.output as [number, number, number];
  return table(graph, "output", g, [batch * height * width], (entries) => {
    eachPlace(g, TILE_OUTPUTS, (place, tile, image, y, x) => {
      if (y < height && x < width) entries[(image * height + y) * width + x] = place * tileCount(g) + tile;
    });
  });
}

/** Rows (place, tile) that see each pixel of the input, [4, N H W]: tiles overlap by two pixels on each side. */
function scatterTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const [batch, height, width] = g.input as [number, number, number];
  const pixels = batch * height * width;
  return table(graph, "scatter", g, [4, pixels], (entries) => {
    entries.fill(TILE_INPUTS * tileCount(g));
    const found = new Uint8Array(pixels);
    eachPlace(g, TILE_INPUTS, (place, tile, image, y, x) => {
      const [row, column] = [y - g.pads[0]!, x - g.pads[1]!];
      if (row < 0 || row >= height || column < 0 || column >= width) return;
      const pixel = (image * height + row) * width + column;
      const share = Math.floor(place / TILE_INPUTS) * SHARE_COLUMNS + place % TILE_INPUTS;
      entries[pixels * found[pixel]!++ + pixel] = share * tileCount(g) + tile;
    });
  });
}

/** Every place of every tile of `size` x `size`, with its coordinates in the padded input or in the output. */
function eachPlace(
  g: ConvolutionGeometry,
  size: number,
  visit: (place: number, tile: number, image: number, y: number, x: number) => void,
): void {
  const { batch, down, across } = tiling(g);
  for (let image = 0; image < batch; image++) {
    for (let tileY = 0; tileY < down; tileY++) {
      for (let tileX = 0; tileX < across; tileX++) {
        const tile = (image * down + tileY) * across + tileX;
        for (let i = 0; i < size * size; i++) {
          const y = tileY * TILE_OUTPUTS + Math.floor(i / size);
          visit(i, tile, image, y, tileX * TILE_OUTPUTS + i % size);
        }
      }
    }
  }
}

function table(
  graph: Graph,
  name: string,
  { input, output, pads }: ConvolutionGeometry,
  shape: readonly number[],
  fill: (entries: Int32Array<ArrayBuffer>) => void,
): ConstantValue {
  return graph.table(`winograd ${name}|${input.slice(0, 3)}|${output.slice(0, 3)}|${pads}`, () => {
    const entries = new Int32Array(sizeOf(shape));
    fill(entries);
    return graph.constant("int32", shape, entries);
  });
}
