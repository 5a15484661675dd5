import { type ConstantValue, type Graph, sizeOf } from "../graph.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";
import { TILE_INPUTS, TILE_OUTPUTS } from "./winograd_matrices.ts";

/**
 * Which pixels the tiles of `conv_winograd.ts` hold, as tables to gather by. A tile is 4x4 outputs and the 6x6 inputs
 * that they see; tiles are counted through all images, image by image and row by row.
 */

/** Places of a tile: inputs, as many as points of the transform, and outputs. */
export const POINTS = TILE_INPUTS ** 2;
export const PIXELS = TILE_OUTPUTS ** 2;

/** What a tile has for the gradient of its inputs: [6, 7], one column of it zeros. */
const SHARE_COLUMNS = TILE_INPUTS + 1;
export const SHARES = TILE_INPUTS * SHARE_COLUMNS;

/** Tiles have pixels of the input, with its padding, and of the output. */
type Side = "input" | "output";
const TILE_SIZES = { input: TILE_INPUTS, output: TILE_OUTPUTS };

function tiling({ output }: ConvolutionGeometry) {
  const [batch, height, width] = output as [number, number, number];
  return { batch, down: Math.ceil(height / TILE_OUTPUTS), across: Math.ceil(width / TILE_OUTPUTS) };
}

export function tileCount(g: ConvolutionGeometry): number {
  const { batch, down, across } = tiling(g);
  return batch * down * across;
}

/** Whether no tile reaches beyond the output. */
export function isWhole({ output }: ConvolutionGeometry): boolean {
  return output.slice(1, 3).every((length) => length % TILE_OUTPUTS === 0);
}

/**
 * Pixel of the images that each place of each tile holds, [36, T], or of the output that it is, [16, T]; one past the
 * last for none.
 */
export function tileTable(graph: Graph, g: ConvolutionGeometry, of: Side): ConstantValue {
  const tiles = tileCount(g);
  const none = sizeOf(g[of].slice(0, 3));
  return table(graph, `tile of ${of}`, g, [TILE_SIZES[of] ** 2, tiles], (entries) => {
    eachPlace(g, of, (place, tile, pixel = none) => entries[place * tiles + tile] = pixel);
  });
}

/** Row (place, tile) of each pixel of the output, [N outH outW]. */
export function outputTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const tiles = tileCount(g);
  return table(graph, "output", g, [sizeOf(g.output.slice(0, 3))], (entries) => {
    eachPlace(g, "output", (place, tile, pixel) => {
      if (pixel !== undefined) entries[pixel] = place * tiles + tile;
    });
  });
}

/**
 * Shares (place, tile) that each pixel of the input gets, [4, N H W]: tiles overlap by two pixels on each side. Where
 * fewer than four tiles see it, the rest are zeros.
 */
export function scatterTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const pixels = sizeOf(g.input.slice(0, 3));
  const tiles = tileCount(g);
  return table(graph, "scatter", g, [4, pixels], (entries) => {
    entries.fill(TILE_INPUTS * tiles);
    const found = new Uint8Array(pixels);
    eachPlace(g, "input", (place, tile, pixel) => {
      if (pixel === undefined) return;
      const share = Math.floor(place / TILE_INPUTS) * SHARE_COLUMNS + place % TILE_INPUTS;
      entries[pixels * found[pixel]!++ + pixel] = share * tiles + tile;
    });
  });
}

/** Every place of every tile, with its pixel of the images or of the output, unless it lies outside. */
function eachPlace(
  g: ConvolutionGeometry,
  of: Side,
  visit: (place: number, tile: number, pixel: number | undefined) => void,
): void {
  const { batch, down, across } = tiling(g);
  const [, height, width] = g[of] as [number, number, number];
  const [top, left] = of === "input" ? g.pads as [number, number] : [0, 0];
  const size = TILE_SIZES[of];
  for (let image = 0; image < batch; image++) {
    for (let tileY = 0; tileY < down; tileY++) {
      for (let tileX = 0; tileX < across; tileX++) {
        const tile = (image * down + tileY) * across + tileX;
        for (let i = 0; i < size * size; i++) {
          const y = tileY * TILE_OUTPUTS + Math.floor(i / size) - top;
          const x = tileX * TILE_OUTPUTS + i % size - left;
          const inside = y >= 0 && y < height && x >= 0 && x < width;
          visit(i, tile, inside ? (image * height + y) * width + x : undefined);
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
