import type * as tf from "@tensorflow/tfjs-core";
import { floatsOf, type KernelCall } from "./memory.ts";

/**
 * Sums of rows with the same index, the gradient of `tf.gather`, which TF.js's backend lacks: x [...I, ...R] and indices
 * [...I] to [numSegments, ...R]. Indices out of range are left out, as TensorFlow does. Tracing lets only float32 pass.
 */
export function segmentSum({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const [x, segmentIds] = [inputs["x"]!, inputs["segmentIds"]!];
  const { numSegments } = attrs as unknown as tf.UnsortedSegmentSumAttrs;
  const out = backend.makeOutput([numSegments, ...x.shape.slice(segmentIds.shape.length)], "float32");
  const [source, target] = [floatsOf(backend, x), floatsOf(backend, out)];
  const indices = backend.typedArrayFromHeap(segmentIds);
  target.fill(0);
  const width = target.length / numSegments;
  indices.forEach((segment, row) => {
    if (segment < 0 || segment >= numSegments) return;
    for (let i = 0; i < width; i++) target[segment * width + i]! += source[row * width + i]!;
  });
  return out;
}
