import * as tf from "@tensorflow/tfjs-core";
import { registerWebgpuKeepMask } from "../../random/kernels/webgpu.ts";
import { addN } from "./add_n.ts";
import { convFilterGradient } from "./conv_filter_gradient.ts";
import { convInputGradient } from "./conv_input_gradient.ts";
import { matMul } from "./mat_mul.ts";
import type { KernelMaker } from "./program.ts";

const KERNELS: Readonly<Record<string, KernelMaker>> = {
  [tf.AddN]: addN,
  [tf.BatchMatMul]: matMul,
  [tf.Conv2DBackpropFilter]: convFilterGradient,
  [tf.Conv2DBackpropInput]: convInputGradient,
};

let registered = false;

/** Put our kernels in the place of TF.js's, and beside them. */
export function registerKernels(backendName: string): void {
  if (registered) return;
  registered = true;
  registerWebgpuKeepMask(backendName);
  for (const [kernelName, make] of Object.entries(KERNELS)) {
    const { kernelFunc } = tf.getKernel(kernelName, backendName);
    tf.unregisterKernel(kernelName, backendName);
    const ours = make(kernelFunc as Parameters<KernelMaker>[0]);
    tf.registerKernel({ kernelName, backendName, kernelFunc: ours as unknown as tf.KernelFunc });
  }
}
