import * as tf from "@tensorflow/tfjs-core";
import type { Backend, KernelCall } from "./memory.ts";

/**
 * Slices. TF.js's kernels copy the whole tensor before each, which for a vector of all parameters, split into hundreds,
 * costs more than the network.
 */
export function sliceKernel({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const x = inputs["x"]!;
  const { begin, size } = attrs as unknown as tf.SliceAttrs;
  const [first, lengths] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size);
  tf.slice_util.assertParamsValid(x, first!, lengths!);
  return slice(backend, x, first!, lengths!);
}

export function splitKernel({ inputs, attrs, backend }: KernelCall): tf.TensorInfo[] {
  const x = inputs["x"]!;
  const { numOrSizeSplits, axis } = attrs as unknown as tf.SplitVAttrs;
  const [along] = tf.util.parseAxisParam(axis, x.shape);
  let begin = 0;
  return tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, along!).map((length) => {
    const first = x.shape.map((_, i) => i === along ? begin : 0);
    begin += length;
    return slice(backend, x, first, x.shape.map((whole, i) => i === along ? length : whole));
  });
}

/** A part of a tensor, copied. */
function slice(
  backend: Backend,
  x: tf.TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): tf.TensorInfo {
  const out = backend.makeOutput([...size], x.dtype);
  const [source, target] = [backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(out)];
  if (target.length === 0) return out;
  // Axes that are whole from here on are one run in the memory.
  let inner = x.shape.length;
  while (inner > 0 && size[inner - 1] === x.shape[inner - 1]) inner--;
  const strides = x.shape.map((_, i) => tf.util.sizeFromShape(x.shape.slice(i + 1)));
  const run = inner === 0 ? target.length : size[inner - 1]! * strides[inner - 1]!;
  const outer = size.slice(0, Math.max(inner - 1, 0));
  let from = begin.reduce((sum, first, i) => sum + first * strides[i]!, 0);
  const index = outer.map(() => 0);
  for (let to = 0; to < target.length; to += run) {
    for (let i = 0; i < run; i++) target[to + i] = source[from + i]!;
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < outer[axis]!) break;
      from -= outer[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
