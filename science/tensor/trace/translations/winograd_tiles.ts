import { type ConstantValue, type Graph, sizeOf } from "../graph.ts";
import { inputIndexTable, pixelsOf, rowsReadingPixel } from "./conv_columns.ts";
import type { ConvolutionGeometry, Windows } from "./conv_geometry.ts";
import { TILE_INPUTS, TILE_OUTPUTS } from "./winograd_matrices.ts";

/**
 * Tables to gather the pixels of the tiles of `conv_winograd.ts`. A tile is 4x4 outputs and the 6x6 inputs that they
 * depend on; tiles are counted through all images, image by image and row by row.
 */

/** Positions in a tile: inputs, of which there are as many as points of the transform, and outputs. */
export const POINTS = TILE_INPUTS ** 2;
export const PIXELS = TILE_OUTPUTS ** 2;

/** A tile has pixels of the input, with its padding, and of the output. */
type Side = "input" | "output";

/** Returns the tiles of one image, as windows over it. */
function windowsOf({ output, pads, ...g }: ConvolutionGeometry, of: Side): Windows {
  const size = of === "input" ? TILE_INPUTS : TILE_OUTPUTS;
  return {
    input: of === "input" ? g.input : output,
    output: output.map((length, axis) => axis === 1 || axis === 2 ? Math.ceil(length / TILE_OUTPUTS) : length),
    kernel: [size, size],
    strides: [TILE_OUTPUTS, TILE_OUTPUTS],
    dilations: [1, 1],
    pads: of === "input" ? pads : [0, 0, 0, 0],
  };
}

export function tileCount(g: ConvolutionGeometry): number {
  return sizeOf(windowsOf(g, "output").output.slice(0, 3));
}

/** True if no tile reaches beyond the output. */
export function tilesFit({ output }: ConvolutionGeometry): boolean {
  return output.slice(1, 3).every((length) => length % TILE_OUTPUTS === 0);
}

/**
 * Returns the pixel of the images at each position of each input tile, [36, T], or of the output at each position of
 * each output tile, [16, T]; the index after the last pixel where there is none.
 */
export function tileTable(graph: Graph, g: ConvolutionGeometry, of: Side): ConstantValue {
  const tiles = windowsOf(g, of);
  const [images, pixels] = [tiles.input[0]!, pixelsOf(tiles.input)];
  return table(graph, `tile of ${of}`, g, [sizeOf(tiles.kernel), tileCount(g)], () => {
    const seen = inputIndexTable(tiles);
    return (place, tile) => {
      const pixel = seen[tile % seen.length]![place]!;
      return pixels * (pixel === pixels ? images : Math.floor(tile / seen.length)) + pixel % pixels;
    };
  });
}

/**
 * Returns the rows (position, tile) that hold each pixel, with the index after the last row for none: [4, N H W] for
 * the input, since tiles share two pixels on each side, and [1, N outH outW] for the output.
 */
export function rowTable(graph: Graph, g: ConvolutionGeometry, of: Side): ConstantValue {
  const tiles = windowsOf(g, of);
  const [count, places] = [tileCount(g), sizeOf(tiles.kernel)];
  const shape = [of === "input" ? 4 : 1, tiles.input[0]! * pixelsOf(tiles.input)] as const;
  return table(graph, `row of ${of}`, g, shape, () => {
    const rows = rowsReadingPixel(tiles);
    return (nth, pixel) => {
      // If one tile comes before another, it holds a shared pixel at a later position.
      const row = rows[pixel % rows.length]!.at(-1 - nth);
      if (row === undefined) return places * count;
      return row % places * count + Math.floor(pixel / rows.length) * pixelsOf(tiles.output) + Math.floor(row / places);
    };
  });
}

function table(
  graph: Graph,
  name: string,
  { input, output, pads }: ConvolutionGeometry,
  [rows, columns]: readonly [number, number],
  entries: () => (row: number, column: number) => number,
): ConstantValue {
  return graph.table(`winograd ${name}|${input.slice(0, 3)}|${output.slice(0, 3)}|${pads}`, () => {
    const entry = entries();
    const all = Int32Array.from({ length: rows * columns }, (_, i) => entry(Math.floor(i / columns), i % columns));
    return graph.constant("int32", [rows, columns], all);
  });
}
