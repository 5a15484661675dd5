import * as tf from "@tensorflow/tfjs-core";
import type { KernelCall, KernelEntry } from "./memory.ts";

/** A second tensor with the same memory, which nobody writes to; TF.js's kernel copies it. */
export const IDENTITY: KernelEntry = {
  kernelName: tf.Identity,
  kernel({ inputs, backend }: KernelCall) {
    const { dataId, shape, dtype } = inputs["x"]!;
    backend.incRef(dataId);
    return { dataId, shape, dtype };
  },
};
