import { matMul, reduce } from "../emit/contract.ts";
import { gather, reshape, rowsOfPixels, transpose, withZeroRow } from "../emit/shape.ts";
import { type ConstantValue, type Graph, sizeOf, type Value } from "../graph.ts";
import type { ConvolutionGeometry } from "./conv_geometry.ts";

/**
 * Convolutions as matrix products over columns: every output pixel is a row that holds the pixels its window sees. The
 * images stay channels last, the filter [kH, kW, C, O] is the right operand as it is, and all three products run at the
 * rate of ONNX Runtime's matrix kernel, also where images are smaller than filters. Its Conv wants both channels first:
 * turning a 3x3 filter of 256 x 256 channels that way takes half as long as the convolution of a 16x16 image. Where a
 * window is one pixel the images are their columns.
 */

/** [N, H, W, C], [kH, kW, C, O] -> [N, outH, outW, O]. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  const weights = reshape(graph, filter, [sizeOf(g.filter) / g.filter[3]!, g.filter[3]!]);
  return reshape(graph, matMul(graph, seenPixels(graph, x, g), weights), g.output);
}

/** dL/dx, [N, H, W, C]. */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const [height, width, inChannels, outChannels] = g.filter as [number, number, number, number];
  const taps = height * width;
  const byTap = reshape(graph, filter, [taps, inChannels, outChannels]);
  if (isDense(g)) {
    const turned = reshape(graph, transpose(graph, byTap, [0, 2, 1]), [taps * outChannels, inChannels]);
    return reshape(graph, matMul(graph, seeingPixels(graph, dy, g), turned), g.input);
  }
  // With strides most pixels are seen through few taps: multiply first, then collect what each pixel gets.
  const rows = reshape(graph, filter, [taps * inChannels, outChannels]);
  const shares = matMul(graph, rowsOfPixels(graph, dy), rows, { transposeB: true });
  if (g.pointwise) return reshape(graph, shares, g.input);
  const [batch] = g.input;
  const perImage = reshape(graph, shares, [batch!, sizeOf(g.output.slice(1, 3)) * taps, inChannels]);
  const seen = gather(graph, withZeroRow(graph, perImage), scatterTable(graph, g), 1);
  return reshape(graph, reduce(graph, "ReduceSum", seen, [2], false), g.input);
}

/** dL/dfilter, [kH, kW, C, O]. */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  const [height, width, inChannels, outChannels] = g.filter as [number, number, number, number];
  const taps = height * width;
  // The columns of dy are those of the input's gradient, so they come for free; for few input channels, as in the first
  // layer, the columns of x are much smaller.
  if (isDense(g) && 4 * inChannels > outChannels) {
    const byChannel = matMul(graph, rowsOfPixels(graph, x), seeingPixels(graph, dy, g), { transposeA: true });
    const byTap = transpose(graph, reshape(graph, byChannel, [inChannels, taps, outChannels]), [1, 0, 2]);
    return reshape(graph, byTap, g.filter);
  }
  const gradients = rowsOfPixels(graph, dy);
  return reshape(graph, matMul(graph, seenPixels(graph, x, g), gradients, { transposeA: true }), g.filter);
}

/** Whether every pixel of the input is seen through almost every one of several taps. */
function isDense({ pointwise, strides }: ConvolutionGeometry): boolean {
  return !pointwise && strides.every((stride) => stride === 1);
}

/** [N outH outW, kH kW C]: what each output pixel sees; zeros outside of the image. */
function seenPixels(graph: Graph, x: Value, g: ConvolutionGeometry): Value {
  return g.pointwise ? rowsOfPixels(graph, x) : columnsOf(graph, x, seenTable(graph, g));
}

/** [N H W, kH kW O]: the gradients of the output pixels that see each input pixel, by the tap that they see it with. */
function seeingPixels(graph: Graph, dy: Value, g: ConvolutionGeometry): Value {
  return columnsOf(graph, dy, seeingTable(graph, g));
}

/** [N, H, W, C] and a table [places, taps] of pixels -> [N places, taps C]; the number after the last pixel gives zeros. */
function columnsOf(graph: Graph, images: Value, table: ConstantValue): Value {
  const [batch, height, width, channels] = images.shape as [number, number, number, number];
  const [places, taps] = table.shape as [number, number];
  const pixels = reshape(graph, images, [batch, height * width, channels]);
  const columns = gather(graph, withZeroRow(graph, pixels), table, 1);
  return reshape(graph, columns, [batch * places, taps * channels]);
}

/** For each output pixel and tap the input pixel, [outH outW, taps]. */
function seenTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  return table(graph, "seen", g, () => {
    const [, height, width] = g.input as [number, number, number];
    return tapsOfPixels(g.output, g, (y, x, ky, kx) => {
      const row = y * g.strides[0]! + ky * g.dilations[0]! - g.pads[0]!;
      const column = x * g.strides[1]! + kx * g.dilations[1]! - g.pads[1]!;
      return pixelIndex(row, column, height, width) ?? height * width;
    });
  });
}

/** For each input pixel and tap the output pixel, [H W, taps]. */
function seeingTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  return table(graph, "seeing", g, () => {
    const none = sizeOf(g.output.slice(1, 3));
    return tapsOfPixels(g.input, g, (y, x, ky, kx) => seeingPixel(g, y, x, ky, kx) ?? none);
  });
}

/** For each input pixel the rows (output pixel, tap) that see it, [H W, the most there are for one pixel]. */
function scatterTable(graph: Graph, g: ConvolutionGeometry): ConstantValue {
  return table(graph, "scatter", g, () => {
    const taps = sizeOf(g.kernel);
    const none = sizeOf(g.output.slice(1, 3)) * taps;
    const all = tapsOfPixels(g.input, g, (y, x, ky, kx) => {
      const pixel = seeingPixel(g, y, x, ky, kx);
      return pixel === undefined ? none : pixel * taps + ky * g.kernel[1]! + kx;
    });
    const rows = all.map((row) => row.filter((entry) => entry !== none));
    const longest = Math.max(1, ...rows.map((row) => row.length));
    return rows.map((row) => [...row, ...Array<number>(longest - row.length).fill(none)]);
  });
}

function seeingPixel(g: ConvolutionGeometry, y: number, x: number, ky: number, kx: number): number | undefined {
  const [, height, width] = g.output as [number, number, number];
  const row = (y + g.pads[0]! - ky * g.dilations[0]!) / g.strides[0]!;
  const column = (x + g.pads[1]! - kx * g.dilations[1]!) / g.strides[1]!;
  return Number.isInteger(row) && Number.isInteger(column) ? pixelIndex(row, column, height, width) : undefined;
}

function pixelIndex(row: number, column: number, height: number, width: number): number | undefined {
  const inside = row >= 0 && row < height && column >= 0 && column < width;
  return inside ? row * width + column : undefined;
}

function tapsOfPixels(
  images: readonly number[],
  { kernel }: ConvolutionGeometry,
  entry: (y: number, x: number, ky: number, kx: number) => number,
): number[][] {
  const [, height, width] = images as [number, number, number];
  const rows: number[][] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row: number[] = [];
      for (let ky = 0; ky < kernel[0]!; ky++) for (let kx = 0; kx < kernel[1]!; kx++) row.push(entry(y, x, ky, kx));
      rows.push(row);
    }
  }
  return rows;
}

function table(graph: Graph, name: string, g: ConvolutionGeometry, rows: () => number[][]): ConstantValue {
  const { kernel, strides, dilations, pads } = g;
  const sizes = [g.input.slice(1, 3), g.output.slice(1, 3), kernel, strides, dilations, pads].join("|");
  return graph.table(`${name}|${sizes}`, () => {
    const entries = rows();
    return graph.constant("int32", [entries.length, entries[0]!.length], Int32Array.from(entries.flat()));
  });
}
