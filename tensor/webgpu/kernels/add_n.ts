import type * as tf from "@tensorflow/tfjs-core";
import type { KernelMaker } from "./program.ts";

/** Sums of many tensors. TF.js binds all of them to one shader, and a shader has eight buffers on many adapters. */
export const addN: KernelMaker = (theirs) => ({ inputs, attrs, backend }) => {
  // TF.js gives a list, which it calls a map.
  const terms = inputs as unknown as readonly tf.TensorInfo[];
  const add = (some: readonly tf.TensorInfo[]) =>
    theirs({ inputs: some as unknown as tf.NamedTensorInfoMap, attrs, backend });
  // One buffer is for the sum.
  const most = backend.device.limits.maxStorageBuffersPerShaderStage - 1;
  let sum = add(terms.slice(0, most));
  for (let next = most; next < terms.length; next += most - 1) {
    const before = sum;
    sum = add([before, ...terms.slice(next, next + most - 1)]);
    backend.disposeData(before.dataId);
  }
  return sum;
};
