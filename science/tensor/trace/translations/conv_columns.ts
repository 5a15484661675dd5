import { matMul, reduce } from "../emit/contract.ts";
import { gather, reshape, rowsOfPixels, transpose, withPaddingRow } from "../emit/shape.ts";
import { type ConstantValue, type Graph, type Shape, sizeOf, type Value } from "../graph.ts";
import { type ConvolutionGeometry, isPointwise, type Windows } from "./conv_geometry.ts";

/**
 * Convolutions as matrix products over columns: every output pixel is a row that holds the pixels in its window. The
 * images stay channels last, the filter [kH, kW, C, O] is the right operand without any change, and all three products
 * run at the rate of ONNX Runtime's matrix kernel, even where images are smaller than filters. ONNX Runtime's Conv
 * needs both channels first: transposing a 3x3 filter of 256 x 256 channels takes half as long as the convolution of a
 * 16x16 image. If a window is one pixel, the images are their own columns.
 */

/** [N, ...size, C], [...kernel, C, O] -> [N, ...outSize, O], for images of any rank, like all functions here. */
export function forward(graph: Graph, x: Value, filter: Value, g: ConvolutionGeometry): Value {
  const outChannels = g.filter.at(-1)!;
  const weights = reshape(graph, filter, [sizeOf(g.filter) / outChannels, outChannels]);
  return reshape(graph, matMul(graph, inputColumns(graph, x, g), weights), g.output);
}

/** dL/dx, [N, ...size, C]. */
export function inputGradient(graph: Graph, dy: Value, filter: Value, g: ConvolutionGeometry): Value {
  const [inChannels, outChannels] = g.filter.slice(-2) as [number, number];
  const taps = sizeOf(g.kernel);
  const byTap = reshape(graph, filter, [taps, inChannels, outChannels]);
  if (isDense(g)) {
    const turned = reshape(graph, transpose(graph, byTap, [0, 2, 1]), [taps * outChannels, inChannels]);
    return reshape(graph, matMul(graph, outputColumns(graph, dy, g), turned), g.input);
  }
  // With strides, most pixels are read by few taps: multiply first, then sum what each pixel gets.
  const rows = reshape(graph, filter, [taps * inChannels, outChannels]);
  const shares = matMul(graph, rowsOfPixels(graph, dy), rows, { transposeB: true });
  return isPointwise(g) ? reshape(graph, shares, g.input) : scattered(graph, shares, g);
}

/** dL/dfilter, [...kernel, C, O]. */
export function filterGradient(graph: Graph, x: Value, dy: Value, g: ConvolutionGeometry): Value {
  const [inChannels, outChannels] = g.filter.slice(-2) as [number, number];
  const taps = sizeOf(g.kernel);
  // The columns of dy are those of the input's gradient, so they cost nothing extra; for few input channels, as in the
  // first layer, the columns of x are much smaller.
  if (isDense(g) && 4 * inChannels > outChannels) {
    const byChannel = matMul(graph, rowsOfPixels(graph, x), outputColumns(graph, dy, g), { transposeA: true });
    const byTap = transpose(graph, reshape(graph, byChannel, [inChannels, taps, outChannels]), [1, 0, 2]);
    return reshape(graph, byTap, g.filter);
  }
  const gradients = rowsOfPixels(graph, dy);
  return reshape(graph, matMul(graph, inputColumns(graph, x, g), gradients, { transposeA: true }), g.filter);
}

/** True if almost every one of several taps reads every pixel of the input. */
function isDense(g: ConvolutionGeometry): boolean {
  return !isPointwise(g) && g.strides.every((stride) => stride === 1);
}

/**
 * Returns the pixels in the window of each output pixel of all images, [output pixels, taps C]; `outside` where there
 * is no pixel.
 */
export function inputColumns(graph: Graph, x: Value, g: Windows, outside = 0): Value {
  if (isPointwise(g)) return rowsOfPixels(graph, x);
  return columnsOf(graph, x, table(graph, "seen", g, () => inputIndexTable(g)), outside);
}

/** Returns the input pixel for each output pixel and tap, [output pixels, taps]. */
export function inputIndexTable(g: Windows): number[][] {
  const { input, strides, dilations, pads } = g;
  return tapsOfPixels(
    g.output,
    g,
    (at, tap) => pixelIndex(input, (axis) => at[axis]! * strides[axis]! + tap[axis]! * dilations[axis]! - pads[axis]!),
  );
}

/** The adjoint of {@linkcode inputColumns}: each pixel gets the sum of its values in all windows, [N, ...size, C]. */
export function scattered(graph: Graph, shares: Value, g: Windows): Value {
  const perImage = reshape(graph, shares, [g.input[0]!, pixelsOf(g.output) * sizeOf(g.kernel), g.input.at(-1)!]);
  const seen = gather(graph, withPaddingRow(graph, perImage), scatterTable(graph, g), 1);
  return reshape(graph, reduce(graph, "ReduceSum", seen, [2], false), g.input);
}

/** Returns, [input pixels, taps O], the gradients of the output pixels whose windows hold each input pixel, by tap. */
function outputColumns(graph: Graph, dy: Value, g: ConvolutionGeometry): Value {
  // For each input pixel and tap the output pixel, [input pixels, taps].
  const seeing = (at: Shape, tap: Shape) => outputIndex(g, at, tap);
  return columnsOf(graph, dy, table(graph, "seeing", g, () => tapsOfPixels(g.input, g, seeing)));
}

/**
 * Gathers [N, ...size, C] by a table [places, taps] of pixels -> [N places, taps C]; the index after the last pixel
 * gives `outside`.
 */
function columnsOf(graph: Graph, images: Value, table: ConstantValue, outside = 0): Value {
  const [batch, channels] = [images.shape[0]!, images.shape.at(-1)!];
  const [places, taps] = table.shape as [number, number];
  const pixels = reshape(graph, images, [batch, pixelsOf(images.shape), channels]);
  const columns = gather(graph, withPaddingRow(graph, pixels, outside), table, 1);
  return reshape(graph, columns, [batch * places, taps * channels]);
}

/**
 * Returns for each input pixel the rows (output pixel, tap) that read it, [input pixels, the maximum number for one
 * pixel].
 */
function scatterTable(graph: Graph, g: Windows): ConstantValue {
  return table(graph, "scatter", g, () => {
    const none = pixelsOf(g.output) * sizeOf(g.kernel);
    const rows = rowsReadingPixel(g);
    const longest = rows.reduce((most, row) => Math.max(most, row.length), 1);
    return rows.map((row) => [...row, ...Array<number>(longest - row.length).fill(none)]);
  });
}

/** Returns for each input pixel the rows (output pixel, tap) that read it, by tap. */
export function rowsReadingPixel(g: Windows): number[][] {
  const taps = sizeOf(g.kernel);
  const none = pixelsOf(g.output) * taps;
  const all = tapsOfPixels(g.input, g, (at, tap, index) => outputIndex(g, at, tap) * taps + index);
  return all.map((row) => row.filter((entry) => entry < none));
}

function outputIndex({ output, strides, dilations, pads }: Windows, at: Shape, tap: Shape): number {
  return pixelIndex(output, (axis) => (at[axis]! + pads[axis]! - tap[axis]! * dilations[axis]!) / strides[axis]!);
}

/**
 * Returns the index of a pixel among those of one image; the index after the last if its position on an axis is
 * invalid.
 */
function pixelIndex(images: Shape, place: (axis: number) => number): number {
  let index = 0;
  for (let axis = 0; axis < images.length - 2; axis++) {
    const [size, at] = [images[1 + axis]!, place(axis)];
    if (at < 0 || at >= size || !Number.isInteger(at)) return pixelsOf(images);
    index = index * size + at;
  }
  return index;
}

export function pixelsOf(images: Shape): number {
  return sizeOf(images.slice(1, -1));
}

/** Returns all index vectors of a shape; the last axis varies fastest. */
function places(shape: Shape): Shape[] {
  return shape.reduce<Shape[]>(
    (all, size) => all.flatMap((place) => Array.from({ length: size }, (_, at) => [...place, at])),
    [[]],
  );
}

function tapsOfPixels(images: Shape, { kernel }: Windows, entry: (at: Shape, tap: Shape, index: number) => number) {
  const taps = places(kernel);
  return places(images.slice(1, -1)).map((at) => taps.map((tap, index) => entry(at, tap, index)));
}

function table(graph: Graph, name: string, g: Windows, rows: () => number[][]): ConstantValue {
  const { kernel, strides, dilations, pads } = g;
  const sizes = [g.input.slice(1, -1), g.output.slice(1, -1), kernel, strides, dilations, pads].join("|");
  return graph.table(`${name}|${sizes}`, () => {
    const entries = rows();
    return graph.constant("int32", [entries.length, entries[0]!.length], Int32Array.from(entries.flat()));
  });
}
