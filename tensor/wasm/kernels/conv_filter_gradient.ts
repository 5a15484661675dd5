import type * as tf from "@tensorflow/tfjs-core";
import { convolutionInfo } from "../../convolution_info.ts";
import type { Backend, KernelCall } from "./memory.ts";
import { addressOf, BYTES_PER_ELEMENT, floatsOf, idOf, withRegion, withScratch } from "./memory.ts";
import { multiply, rowsPerPart, sumParts } from "./product.ts";

/** The grids of some images of the batch. */
interface Grid {
  readonly first: number;
  readonly images: number;
  readonly y: ReturnType<typeof axisOf>;
  readonly x: ReturnType<typeof axisOf>;
  /** Cells of one channel and one pair of remainders, of all images. */
  readonly cells: number;
}

/**
 * Gradient of conv2d by its filter, which TF.js's backend lacks.
 *
 * For each tap (i, j) of the filter it is a product, dW[i, j] = X[i, j]^T dY, of the pixels that the tap sees with the
 * gradients of the pixels that it contributes to. X is laid out once, channels first and padded, such that the matrix of
 * every tap is the same memory from another address on, with no copy in between:
 *
 * - Pixels lie in a grid of `rows` x `columns` per image, and dY is spread over a grid of the same size, zero where
 *   there is no output. Moving by a tap is then the same step in the memory for every pixel.
 * - With a stride s there is one grid for each remainder of the coordinates by s, and a tap (i, j) belongs to the grid
 *   of (i mod s, j mod s).
 *
 * A few images are taken at a time and the products added up.
 */
export function filterGradient({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const [x, dy] = [inputs["x"]!, inputs["dy"]!];
  const { filterShape, ...sizes } = attrs as unknown as tf.Conv2DBackpropFilterAttrs;
  const info = convolutionInfo(x.shape, filterShape, sizes);
  const { top, bottom, left, right } = info.padInfo;
  const rows = axisOf(info.inHeight, info.outHeight, info.filterHeight, info.strideHeight, [top, bottom]);
  const columns = axisOf(info.inWidth, info.outWidth, info.filterWidth, info.strideWidth, [left, right]);
  const imageCells = rows.length * columns.length;
  const perPart = Math.min(info.batchSize, Math.ceil(rowsPerPart(info.inChannels + info.outChannels) / imageCells));
  const out = backend.makeOutput([...filterShape], "float32");
  sumParts(backend, out, Math.ceil(info.batchSize / perPart), (part, address) => {
    const first = part * perPart;
    const images = Math.min(perPart, info.batchSize - first);
    const grid = { first, images, y: rows, x: columns, cells: images * imageCells };
    withScratch(backend, pixelsLength(grid, info.inChannels), (pixels) => {
      spreadPixels(backend, x, pixels, grid, info.inChannels);
      withSpreadOutputs(backend, dy, grid, info.outChannels, (outputs) => {
        multiplyTaps(backend, addressOf(backend, pixels), outputs, address, grid, info);
      });
    });
  });
  return out;
}

/** One axis of the grid of an image: with how many `grids` there are, for different remainders, and their `length`. */
function axisOf(
  size: number,
  outSize: number,
  kernel: number,
  stride: number,
  [before, after]: readonly [before: number, after: number],
) {
  // Where the zeros after a row are no more than those before it, those before the next row serve for both.
  const shared = stride === 1 && after <= before && after < kernel;
  const length = shared ? size + before : outSize + Math.floor((kernel - 1) / stride);
  return { size, outSize, before, stride, kernel, grids: Math.min(stride, kernel), length };
}

/** The last tap of the last channel reads beyond the grids by the distance that taps move. */
function pixelsLength({ y, x, cells }: Grid, channels: number): number {
  const reach = Math.floor((y.kernel - 1) / y.stride) * x.length + Math.floor((x.kernel - 1) / x.stride);
  return y.grids * x.grids * channels * cells + reach;
}

/** [N, H, W, C] to [remainders of y, remainders of x, C, N, rows, columns], zero where there is no pixel. */
function spreadPixels(backend: Backend, from: tf.TensorInfo, to: tf.TensorInfo, grid: Grid, channels: number): void {
  const { first: firstImage, images, y, x, cells } = grid;
  const [source, target] = [floatsOf(backend, from), floatsOf(backend, to)];
  target.fill(0);
  for (let n = 0; n < images; n++) {
    for (let row = 0; row < y.size; row++) {
      const paddedRow = row + y.before;
      const gridY = paddedRow % y.stride;
      const cellRow = (paddedRow - gridY) / y.stride;
      if (gridY >= y.grids || cellRow >= y.length) continue;
      for (let gridX = 0; gridX < x.grids; gridX++) {
        // First column of this remainder at or after the padding.
        const first = (((gridX - x.before) % x.stride) + x.stride) % x.stride;
        const firstCell = (first + x.before - gridX) / x.stride;
        const count = Math.min(Math.ceil((x.size - first) / x.stride), x.length - firstCell);
        const sourceRow = (((firstImage + n) * y.size + row) * x.size + first) * channels;
        const targetRow = (gridY * x.grids + gridX) * channels * cells + (n * y.length + cellRow) * x.length +
          firstCell;
        const step = x.stride * channels;
        for (let c = 0; c < channels; c++) {
          let at = sourceRow + c;
          const start = targetRow + c * cells;
          for (let i = start; i < start + count; i++) {
            target[i] = source[at]!;
            at += step;
          }
        }
      }
    }
  }
}

/** dY as a matrix [cells, outChannels], zero in cells without output. `body` gets its id. */
function withSpreadOutputs(
  backend: Backend,
  dy: tf.TensorInfo,
  { first, images, y, x, cells }: Grid,
  channels: number,
  body: (id: number) => void,
): void {
  if (y.length === y.outSize && x.length === x.outSize) {
    const start = first * y.length * x.length * channels;
    return withRegion(backend, addressOf(backend, dy) + BYTES_PER_ELEMENT * start, cells * channels, body);
  }
  withScratch(backend, cells * channels, (spread) => {
    const [source, target] = [floatsOf(backend, dy), floatsOf(backend, spread)];
    target.fill(0);
    const width = x.outSize * channels;
    for (let n = 0; n < images; n++) {
      for (let row = 0; row < y.outSize; row++) {
        const start = ((first + n) * y.outSize + row) * width;
        target.set(source.subarray(start, start + width), (n * y.length + row) * x.length * channels);
      }
    }
    body(idOf(backend, spread));
  });
}

function multiplyTaps(
  backend: Backend,
  pixels: number,
  outputs: number,
  out: number,
  { y, x, cells }: Grid,
  { inChannels, outChannels }: tf.backend_util.Conv2DInfo,
): void {
  const shape = { rows: inChannels, inner: cells, columns: outChannels };
  for (let i = 0; i < y.kernel; i++) {
    for (let j = 0; j < x.kernel; j++) {
      const grid = (i % y.stride) * x.grids + j % x.stride;
      const moved = Math.floor(i / y.stride) * x.length + Math.floor(j / x.stride);
      const from = pixels + BYTES_PER_ELEMENT * (grid * inChannels * cells + moved);
      const to = out + BYTES_PER_ELEMENT * (i * x.kernel + j) * inChannels * outChannels;
      multiply(backend, from, outputs, to, shape);
    }
  }
}
