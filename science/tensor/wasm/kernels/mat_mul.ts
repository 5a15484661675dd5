import * as tf from "@tensorflow/tfjs-core";
import { addressOf, BYTES_PER_ELEMENT, floatsOf, multiply, withScratch } from "./memory.ts";
import type { Backend, KernelCall } from "./memory.ts";

const size = tf.util.sizeFromShape;

/** 1 MiB, the cache of a single core on current processors. */
const CACHED_NUMBERS = 2 ** 18;
/** With fewer rows per part, adding up the parts would take most of the time. */
const LEAST_ROWS = 256;

/**
 * Multiplies matrices. TF.js's kernel is fast for one product without transposition and nine times slower otherwise, so
 * matrices are transposed first and batches are computed product by product.
 */
export function matMul({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const [a, b] = [inputs["a"]!, inputs["b"]!];
  const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs;
  if (a.dtype !== "float32" || b.dtype !== "float32") {
    throw new Error(`Device "wasm": matMul got ${a.dtype} and ${b.dtype}, wanted float32. Fix: cast them.`);
  }
  if (transposeA && !transposeB && size(outerOf(a)) === 1 && size(outerOf(b)) === 1) {
    return multiplyColumns(backend, a, b);
  }
  const [left, right] = [plain(backend, a, transposeA), plain(backend, b, transposeB)];
  const [rows, inner] = left.shape.slice(-2) as [number, number];
  const columns = right.shape.at(-1)!;
  const outer = tf.broadcast_util.assertAndGetBroadcastShape([...outerOf(a)], [...outerOf(b)]);
  const out = backend.makeOutput([...outer, rows, columns], "float32");
  if (inner === 0) floatsOf(backend, out).fill(0);
  else if (size(out.shape) > 0) multiplyAll(backend, left, right, out);
  if (left !== a) backend.disposeData(left.dataId);
  if (right !== b) backend.disposeData(right.dataId);
  return out;
}

/**
 * Computes a^T b for a [..., rows, A] and b [..., rows, B] of one matrix each: the gradient of a dense layer's kernel,
 * a sum over many rows with a small result.
 */
function multiplyColumns(backend: Backend, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
  const [aColumns, bColumns] = [a.shape.at(-1)!, b.shape.at(-1)!];
  const outer = a.shape.length > b.shape.length ? outerOf(a) : outerOf(b);
  const out = backend.makeOutput([...outer, aColumns, bColumns], "float32");
  // The engine first rearranges the right matrix, which costs as much as multiplying it by some 60 columns, so the
  // smaller matrix comes there.
  if (bColumns <= aColumns) {
    sumRows(backend, a, b, out);
  } else {
    withScratch(backend, aColumns * bColumns, (turned) => {
      sumRows(backend, b, a, turned);
      transpose(floatsOf(backend, turned), floatsOf(backend, out), bColumns, aColumns);
    });
  }
  return out;
}

/** Computes left^T right, in parts of as many rows as fit, for both matrices together, in a core's cache. */
function sumRows(backend: Backend, left: tf.TensorInfo, right: tf.TensorInfo, out: tf.TensorInfo): void {
  const [rows, leftColumns] = left.shape.slice(-2) as [number, number];
  const rightColumns = right.shape.at(-1)!;
  const perPart = Math.max(LEAST_ROWS, Math.floor(CACHED_NUMBERS / (leftColumns + rightColumns)));
  const multiplyPart = (first: number, result: tf.TensorInfo) => {
    const inner = Math.min(perPart, rows - first);
    withScratch(backend, inner * leftColumns, (turned) => {
      const source = floatsOf(backend, left).subarray(first * leftColumns, (first + inner) * leftColumns);
      transpose(source, floatsOf(backend, turned), inner, leftColumns);
      const b = addressOf(backend, right) + BYTES_PER_ELEMENT * first * rightColumns;
      const addresses = { a: addressOf(backend, turned), b, out: addressOf(backend, result) };
      multiply(backend, addresses, { rows: leftColumns, inner, columns: rightColumns });
    });
  };
  if (rows === 0) floatsOf(backend, out).fill(0);
  else multiplyPart(0, out);
  if (rows <= perPart) return;
  withScratch(backend, size(out.shape), (scratch) => {
    for (let first = perPart; first < rows; first += perPart) {
      multiplyPart(first, scratch);
      const [term, sum] = [floatsOf(backend, scratch), floatsOf(backend, out)];
      for (let i = 0; i < sum.length; i++) sum[i]! += term[i]!;
    }
  });
}

function multiplyAll(backend: Backend, a: tf.TensorInfo, b: tf.TensorInfo, out: tf.TensorInfo): void {
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const columns = b.shape.at(-1)!;
  const shape = { rows, inner, columns };
  const [aAddress, bAddress, outAddress] = [addressOf(backend, a), addressOf(backend, b), addressOf(backend, out)];
  if (size(outerOf(b)) === 1) {
    // With one matrix on the right, the rows of all matrices on the left form a single product.
    multiply(backend, { a: aAddress, b: bAddress, out: outAddress }, { ...shape, rows: size(a.shape) / inner });
    return;
  }
  const outer = outerOf(out);
  const [aAt, bAt] = [matrixIndex(outerOf(a), outer), matrixIndex(outerOf(b), outer)];
  for (let i = 0; i < size(outer); i++) {
    multiply(backend, {
      a: aAddress + BYTES_PER_ELEMENT * aAt(i) * rows * inner,
      b: bAddress + BYTES_PER_ELEMENT * bAt(i) * inner * columns,
      out: outAddress + BYTES_PER_ELEMENT * i * rows * columns,
    }, shape);
  }
}

/** Returns a function that finds the matrix of an operand for the i-th of the result, by the rules of broadcasting. */
function matrixIndex(own: readonly number[], outer: readonly number[]): (i: number) => number {
  const padded = [...Array.from({ length: outer.length - own.length }, () => 1), ...own];
  const [strides, ownStrides] = [tf.util.computeStrides(outer as number[]), tf.util.computeStrides(padded)];
  return (i) => {
    const at = tf.util.indexToLoc(i, outer.length, strides).map((place, axis) => Math.min(place, padded[axis]! - 1));
    return tf.util.locToIndex(at, outer.length, ownStrides);
  };
}

/** Returns a tensor with its last two axes swapped if asked for, else the tensor itself. */
function plain(backend: Backend, tensor: tf.TensorInfo, transposed: boolean): tf.TensorInfo {
  if (!transposed) return tensor;
  const [rows, columns] = tensor.shape.slice(-2) as [number, number];
  const out = backend.makeOutput([...outerOf(tensor), columns, rows], "float32");
  const [source, target] = [floatsOf(backend, tensor), floatsOf(backend, out)];
  const area = rows * columns;
  for (let i = 0; i < size(outerOf(tensor)); i++) {
    const range = [i * area, (i + 1) * area] as const;
    transpose(source.subarray(...range), target.subarray(...range), rows, columns);
  }
  return out;
}

/** Returns the axes before those of the matrices. */
function outerOf({ shape }: tf.TensorInfo): number[] {
  return shape.slice(0, -2);
}

/** A block of this many rows stays in the cache while it is read column by column. */
const BLOCK = 64;

/** Writes a matrix [rows, columns] as [columns, rows]. */
function transpose(source: Float32Array, target: Float32Array, rows: number, columns: number): void {
  for (let top = 0; top < rows; top += BLOCK) {
    const bottom = Math.min(top + BLOCK, rows);
    for (let column = 0; column < columns; column++) {
      let from = top * columns + column;
      const end = column * rows + bottom;
      for (let to = column * rows + top; to < end; to++) {
        target[to] = source[from]!;
        from += columns;
      }
    }
  }
}
