import * as tf from "@tensorflow/tfjs-core";
import { CONV_FILTER_GRADIENT } from "./conv_filter_gradient.ts";
import { CONV_INPUT_GRADIENT } from "./conv_input_gradient.ts";
import { IDENTITY } from "./identity.ts";
import { MAT_MUL } from "./mat_mul.ts";
import type { KernelCall, KernelEntry } from "./memory.ts";
import { SEGMENT_SUM } from "./segment_sum.ts";
import { SLICE, SPLIT } from "./slice.ts";
import { MEAN, SUM } from "./sum.ts";

const KERNELS: readonly KernelEntry[] = [
  CONV_FILTER_GRADIENT,
  CONV_INPUT_GRADIENT,
  IDENTITY,
  MAT_MUL,
  MEAN,
  SEGMENT_SUM,
  SLICE,
  SPLIT,
  SUM,
];

let registered = false;

/** Put our kernels in the place of TF.js's, for every engine that is started from now on. */
export function registerKernels(backendName: string): void {
  if (registered) return;
  registered = true;
  for (const { kernelName, kernel } of KERNELS) {
    if (tf.getKernel(kernelName, backendName) !== undefined) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (call) => kernel(call as unknown as KernelCall),
    });
  }
}
