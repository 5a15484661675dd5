import * as tf from "@tensorflow/tfjs-core";
import type { KernelCall } from "./memory.ts";

/**
 * Takes a slice. TF.js's kernel copies the whole tensor before each slice. For a vector of all parameters, split into
 * hundreds, that costs more than the network.
 */
export function slice({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const x = inputs["x"]!;
  const { begin, size } = attrs as unknown as tf.SliceAttrs;
  const [first, lengths] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size) as [number[], number[]];
  tf.slice_util.assertParamsValid(x, first, lengths);
  const out = backend.makeOutput(lengths, x.dtype);
  const [source, target] = [backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(out)];
  const strides = x.shape.map((_, axis) => tf.util.sizeFromShape(x.shape.slice(axis + 1)));
  // The whole axes after the last one that is cut are contiguous in memory.
  const cut = lengths.findLastIndex((length, axis) => length !== x.shape[axis]);
  let to = 0;
  const copy = (axis: number, before: number): void => {
    const [from, stride, length] = [before + first[axis]! * strides[axis]!, strides[axis]!, lengths[axis]!];
    if (axis < cut) {
      for (let i = 0; i < length; i++) copy(axis + 1, from + i * stride);
      return;
    }
    for (let i = 0; i < length * stride; i++) target[to + i] = source[from + i]!;
    to += length * stride;
  };
  copy(0, 0);
  return out;
}
