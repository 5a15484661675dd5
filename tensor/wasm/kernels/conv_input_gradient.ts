import type * as tf from "@tensorflow/tfjs-core";
import { convolutionInfo } from "../../convolution_info.ts";
import { type Backend, callNative, floatsOf, idOf, type KernelCall } from "./memory.ts";
import { slice } from "./slice.ts";
import { transpose } from "./transpose.ts";

/** One axis of the convolution that gives the pixels of one remainder. */
type Part = ReturnType<typeof partsOf>[number];

/**
 * Gradient of conv2d by its input, 35 times slower than the forward pass in TF.js's backend.
 *
 * It is a convolution of dY without stride: pixels of dX whose coordinates have the same remainder by the stride are
 * seen by the same taps of the filter, so that for each pair of remainders they are dY convolved with those taps,
 * turned around. With stride 1 that is one convolution with the whole filter; with stride 2 and a 3x3 filter it is four,
 * with 1, 2, 2 and 4 taps.
 */
export function inputGradient({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const [dy, filter] = [inputs["dy"]!, inputs["filter"]!];
  const { inputShape, ...sizes } = attrs as unknown as tf.Conv2DBackpropInputAttrs;
  const info = convolutionInfo(inputShape, filter.shape, sizes);
  const { padInfo, inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth } = info;
  const rows = partsOf(inHeight, outHeight, filterHeight, info.strideHeight, padInfo.top);
  const columns = partsOf(inWidth, outWidth, filterWidth, info.strideWidth, padInfo.left);
  if (rows.length === 1 && columns.length === 1) return convolvePart(backend, dy, filter, rows[0]!, columns[0]!);

  const out = backend.makeOutput([...inputShape], "float32");
  for (const row of rows) {
    for (const column of columns) {
      const part = convolvePart(backend, dy, filter, row, column);
      const steps = { row: info.strideHeight, column: info.strideWidth };
      scatter(floatsOf(backend, part), floatsOf(backend, out), out.shape, row, column, steps);
      backend.disposeData(part.dataId);
    }
  }
  return out;
}

/** Pixel y = s i + r of dX is seen by tap k of output (y + pad - k) / s, where that is an integer. */
function partsOf(size: number, outSize: number, kernel: number, stride: number, pad: number) {
  return Array.from({ length: Math.min(stride, size) }, (_, remainder) => {
    const count = Math.ceil((size - remainder) / stride);
    // Those of the filter that see them, in the order in which they meet dY.
    const taps = Array.from({ length: kernel }, (_, k) => kernel - 1 - k)
      .filter((k) => (remainder + pad - k) % stride === 0);
    // The first tap meets the output of index i - before, the others those that follow it.
    const before = taps.length === 0 ? 0 : (taps[0]! - remainder - pad) / stride;
    // Before and after dY come so many zeros, or rows or columns to leave out where negative.
    return { remainder, count, taps, before, after: count - outSize - before + taps.length - 1 };
  });
}

/** The pixels of one pair of remainders, [N, row.count, column.count, C]. */
function convolvePart(
  backend: Backend,
  dy: tf.TensorInfo,
  filter: tf.TensorInfo,
  row: Part,
  column: Part,
): tf.TensorInfo {
  const [batch, outHeight, outWidth, outChannels] = dy.shape as [number, number, number, number];
  const inChannels = filter.shape[2]!;
  const out = backend.makeOutput([batch, row.count, column.count, inChannels], "float32");
  const seen = row.taps.length > 0 && column.taps.length > 0 &&
    outHeight + Math.min(row.before, 0) + Math.min(row.after, 0) > 0 &&
    outWidth + Math.min(column.before, 0) + Math.min(column.after, 0) > 0;
  if (!seen) {
    floatsOf(backend, out).fill(0);
    return out;
  }
  const turned = turnFilter(backend, filter, row.taps, column.taps);
  const cropped = crop(backend, dy, row, column);
  const [top, bottom, left, right] = [row.before, row.after, column.before, column.after].map((n) => Math.max(n, 0));
  const [, height, width] = cropped.shape as [number, number, number, number];
  callNative(
    backend,
    "Conv2D",
    ...[idOf(backend, cropped), batch, height, width],
    ...[idOf(backend, turned), row.taps.length, column.taps.length],
    ...[top!, right!, bottom!, left!],
    0, // not SAME: these paddings
    ...[1, 1, 1, 1], // dilations and strides
    ...[outChannels, inChannels, idOf(backend, out)],
  );
  if (cropped !== dy) backend.disposeData(cropped.dataId);
  backend.disposeData(turned.dataId);
  return out;
}

/** Those taps of a filter [kH, kW, C, O], in that order, as a filter from O to C channels. */
function turnFilter(
  backend: Backend,
  filter: tf.TensorInfo,
  rows: readonly number[],
  columns: readonly number[],
): tf.TensorInfo {
  const [, width, inChannels, outChannels] = filter.shape as [number, number, number, number];
  const turned = backend.makeOutput([rows.length, columns.length, outChannels, inChannels], "float32");
  const [source, target] = [floatsOf(backend, filter), floatsOf(backend, turned)];
  const area = inChannels * outChannels;
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const tap = (row * width + column) * area;
      transpose(source.subarray(tap, tap + area), target.subarray(at), inChannels, outChannels);
      at += area;
    }
  }
  return turned;
}

/** dY without the rows and columns that no pixel of the part depends on; dY itself where there are none. */
function crop(backend: Backend, dy: tf.TensorInfo, row: Part, column: Part): tf.TensorInfo {
  const [batch, height, width, channels] = dy.shape as [number, number, number, number];
  const [top, left] = [Math.max(-row.before, 0), Math.max(-column.before, 0)];
  const [rows, columns] = [height - top - Math.max(-row.after, 0), width - left - Math.max(-column.after, 0)];
  if (rows === height && columns === width) return dy;
  return slice(backend, dy, [0, top, left, 0], [batch, rows, columns, channels]);
}

/** Put the pixels of one pair of remainders to their places in dX [N, H, W, C]. */
function scatter(
  source: Float32Array,
  target: Float32Array,
  shape: readonly number[],
  row: Part,
  column: Part,
  steps: { readonly row: number; readonly column: number },
): void {
  const [batch, height, width, channels] = shape as [number, number, number, number];
  let from = 0;
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < row.count; i++) {
      const start = ((n * height + row.remainder + i * steps.row) * width + column.remainder) * channels;
      for (let j = 0; j < column.count; j++) {
        const to = start + j * steps.column * channels;
        for (let c = 0; c < channels; c++) target[to + c] = source[from++]!;
      }
    }
  }
}
