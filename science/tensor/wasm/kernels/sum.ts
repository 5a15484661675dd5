import * as tf from "@tensorflow/tfjs-core";
import type { KernelCall } from "./memory.ts";

const size = tf.util.sizeFromShape as (shape: readonly number[]) => number;

/**
 * Computes sums and means, accumulated in float64. TF.js's kernels add in float32, one number after the other, which
 * for the norm of a million gradients leaves four digits, and transpose first unless the last axes are summed.
 */
export function reduce({ inputs, attrs, backend }: KernelCall, mean: boolean): tf.TensorInfo {
  const x = inputs["x"]!;
  const { axis, keepDims } = attrs as unknown as tf.SumAttrs;
  const axes = tf.util.parseAxisParam(axis, x.shape).toSorted((a, b) => a - b);
  const dtype = mean ? "float32" : x.dtype;
  const shape = x.shape.flatMap((length, i) => axes.includes(i) ? keepDims ? [1] : [] : [length]);
  const out = backend.makeOutput(shape, dtype);
  const total = sumAxes(backend.typedArrayFromHeap(x), x.shape, axes);
  const target = backend.typedArrayFromHeap(out);
  const count = size(x.shape) / target.length;
  for (let i = 0; i < target.length; i++) target[i] = mean ? total[i]! / count : total[i]!;
  return out;
}

/**
 * Sums over axes given in ascending order; the result is row-major over the remaining axes. Neighbouring axes are
 * summed at once, the last ones first.
 */
function sumAxes(x: tf.TypedArray, shape: readonly number[], axes: readonly number[]): ArrayLike<number> {
  const last = axes.at(-1);
  if (last === undefined) return x;
  let first = last;
  while (axes.includes(first - 1)) first--;
  const [before, summed, after] = [shape.slice(0, first), shape.slice(first, last + 1), shape.slice(last + 1)];
  const sums = sumMiddle(x, size(before), size(summed), size(after));
  const rest = axes.filter((axis) => axis < first);
  if (rest.length === 0) return sums;
  // The loops below are twice as fast while they only ever see one type of array, so each round uses the type of x.
  const values = x instanceof Float32Array ? new Float32Array(sums) : new Int32Array(sums);
  return sumAxes(values, [...before, ...after], rest);
}

/** Sums [outer, summed, inner] to [outer, inner]. */
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
