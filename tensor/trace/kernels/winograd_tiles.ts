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

/** Pixel of the images that each place of each tile holds, [36, T]; one past the last for none. */
export function tileTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const tiles = tileCount(g);
  const none = sizeOf(g.input.slice(0, 3));
  return table(graph, "tile", g, [POINTS, tiles], (entries) => {
    eachPlace(g, TILE_INPUTS, (place, tile, image, y, x) => {
      entries[place * tiles + tile] = inputPixel(g, image, y, x) ?? none;
    });
  });
}

/** Pixel of the output that each place of each tile is, [16, T]; one past the last for none. */
export function gradientTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const [batch, height, width] = g.output as [number, number, number];
  const tiles = tileCount(g);
  return table(graph, "gradient", g, [PIXELS, tiles], (entries) => {
    eachPlace(g, TILE_OUTPUTS, (place, tile, image, y, x) => {
      const inside = y < height && x < width;
      entries[place * tiles + tile] = inside ? (image * height + y) * width + x : batch * height * width;
    });
  });
}

/** Row (place, tile) of each pixel of the output, [N outH outW]. */
export function outputTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  const [batch, height, width] = g.output as [number, number, number];
  const tiles = tileCount(g);
  return table(graph, "output", g, [batch * height * width], (entries) => {
    eachPlace(g, TILE_OUTPUTS, (place, tile, image, y, x) => {
      if (y < height && x < width) entries[(image * height + y) * width + x] = place * tiles + tile;
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
    eachPlace(g, TILE_INPUTS, (place, tile, image, y, x) => {
      const pixel = inputPixel(g, image, y, x);
      if (pixel === undefined) return;
      const share = Math.floor(place / TILE_INPUTS) * SHARE_COLUMNS + place % TILE_INPUTS;
      entries[pixels * found[pixel]!++ + pixel] = share * tiles + tile;
    });
  });
}

/** The pixel of the images at a place in the padded input, unless it is padding. */
function inputPixel({ input, pads }: ConvolutionGeometry, image: number, y: number, x: number): number | undefined {
  const [height, width] = [input[1]!, input[2]!];
  const row = y - pads[0]!;
  const column = x - pads[1]!;
  const inside = row >= 0 && row < height && column >= 0 && column < width;
  return inside ? (image * height + row) * width + column : undefined;
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
