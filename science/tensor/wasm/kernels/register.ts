/** Importing this module replaces kernels of TF.js with our own. */
import "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { BACKEND } from "../engine.ts";
import { matMul } from "./mat_mul.ts";
import type { Kernel, KernelCall } from "./memory.ts";
import { slice } from "./slice.ts";
import { reduce } from "./sum.ts";

/** Returns a second tensor with the same memory, which is never written to; TF.js's kernel copies it. */
function identity({ inputs, backend }: KernelCall): tf.TensorInfo {
  const { dataId, shape, dtype } = inputs["x"]!;
  backend.incRef(dataId);
  return { dataId, shape, dtype };
}

/** Our kernels, which replace TF.js's or add to them. */
const KERNELS: Readonly<Record<string, Kernel>> = {
  [tf.Identity]: identity,
  [tf.BatchMatMul]: matMul,
  [tf.Mean]: (call) => reduce(call, true),
  [tf.Slice]: slice,
  [tf.Sum]: (call) => reduce(call, false),
};

// Applies to every engine that is started from now on.
for (const [kernelName, kernel] of Object.entries(KERNELS)) {
  if (tf.getKernel(kernelName, BACKEND) !== undefined) tf.unregisterKernel(kernelName, BACKEND);
  const kernelFunc: tf.KernelFunc = (call) => kernel(call as unknown as KernelCall);
  tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc });
}
