import * as tf from "@tensorflow/tfjs-core";
import type { KernelCall } from "./memory.ts";

/**
 * Sums and means, accumulated in float64. TF.js's kernels add in float32, one number after the other, which for the norm
 * of a million gradients leaves four digits, and transpose first unless the last axes are summed.
 */
export function reduce({ inputs, attrs, backend }: KernelCall, mean: boolean): tf.TensorInfo {
  const x = inputs["x"]!;
  const { axis, keepDims } = attrs as unknown as tf.SumAttrs;
  const axes = new Set(tf.util.parseAxisParam(axis, x.shape));
  const count = x.shape.reduce((product, length, i) => axes.has(i) ? product * length : product, 1);
  const dtype = mean ? "float32" : x.dtype;
  const out = backend.makeOutput(x.shape.flatMap((length, i) => axes.has(i) ? keepDims ? [1] : [] : [length]), dtype);
  const total = sumAxes(backend.typedArrayFromHeap(x), x.shape, axes);
  const target = backend.typedArrayFromHeap(out);
  for (let i = 0; i < target.length; i++) target[i] = mean ? total[i]! / count : total[i]!;
  return out;
}

/** Sums over the axes, row-major over the axes that remain. Neighbouring axes are summed in one go, the last ones first. */
function sumAxes(x: tf.TypedArray, shape: readonly number[], axes: ReadonlySet<number>): ArrayLike<number> {
  let values = x;
  let sums: Float64Array | undefined;
  const lengths = [...shape];
  for (let last = shape.length - 1; last >= 0; last--) {
    if (!axes.has(last)) continue;
    let first = last;
    while (axes.has(first - 1)) first--;
    // The loops below are twice as fast while they only ever see one type of array, so each round has the type of x.
    if (sums !== undefined) values = values instanceof Float32Array ? new Float32Array(sums) : new Int32Array(sums);
    const summed = tf.util.sizeFromShape(lengths.slice(first, last + 1));
    sums = sumMiddle(
      values,
      tf.util.sizeFromShape(lengths.slice(0, first)),
      summed,
      tf.util.sizeFromShape(lengths.slice(last + 1)),
    );
    lengths.splice(first, last - first + 1, 1);
    last = first;
  }
  return sums ?? x;
}

/** [outer, summed, inner] to [outer, inner]. */
function sumMiddle(x: tf.TypedArray, outer: number, summed: number, inner: number): Float64Array {
  const sums = new Float64Array(outer * inner);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    if (inner === 1) {
      let sum = 0;
      for (let i = 0; i < summed; i++) sum += x[at++]!;
      sums[o] = sum;
      continue;
    }
    const [start, end] = [o * inner, (o + 1) * inner];
    for (let i = 0; i < summed; i++) {
      for (let to = start; to < end; to++) sums[to]! += x[at++]!;
    }
  }
  return sums;
}
