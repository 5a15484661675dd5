import * as tf from "@tensorflow/tfjs-core";
import { addressOf, type Backend, bytesOf, callNative, floatsOf, withRegion, withScratch } from "./memory.ts";

/** Shapes of a product of matrices: [rows, inner] times [inner, columns]. */
export interface ProductShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
}

/**
 * The product of two float32 matrices, row-major, by XNNPACK: the one case of TF.js's matMul that is fast, a single
 * product without transposition.
 *
 * @param a address. @param b id of a tensor or region; products with the same id share the preparation of this matrix.
 * @param out address
 */
export function multiply(
  backend: Backend,
  a: number,
  b: number,
  out: number,
  { rows, inner, columns }: ProductShape,
): void {
  const [aShape, bShape] = [bytesOf([1, rows, inner]), bytesOf([1, inner, columns])];
  withRegion(backend, a, rows * inner, (aId) =>
    withRegion(backend, out, rows * columns, (outId) => {
      callNative(backend, "BatchMatMul", aId, aShape, 3, b, bShape, 3, false, false, outId);
    }));
}

/** 1 MiB, the cache that a current core has for itself. */
const CACHED_NUMBERS = 2 ** 18;

/** Fewer rows would spend the time on adding up the parts. */
const LEAST_ROWS = 256;

/**
 * How many rows of two matrices to take at a time for a product that sums over rows, so that both stay in a core's cache.
 *
 * @param columns of both together
 */
export function rowsPerPart(columns: number): number {
  return Math.max(LEAST_ROWS, Math.floor(CACHED_NUMBERS / columns));
}

/**
 * Sum products of matrices: `parts` calls of `part`, each of which writes a product of the size of `out` to the address
 * that it gets, added up in `out`.
 */
export function sumParts(
  backend: Backend,
  out: tf.TensorInfo,
  parts: number,
  part: (index: number, address: number) => void,
): void {
  part(0, addressOf(backend, out));
  if (parts === 1) return;
  const length = tf.util.sizeFromShape(out.shape);
  withScratch(backend, length, (scratch) => {
    for (let index = 1; index < parts; index++) {
      part(index, addressOf(backend, scratch));
      const [term, sum] = [floatsOf(backend, scratch), floatsOf(backend, out)];
      for (let i = 0; i < length; i++) sum[i]! += term[i]!;
    }
  });
}
