/** Importing this module replaces kernels of TF.js with our own, and adds others. */
import "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { registerWebgpuKeepMask } from "../../random/kernels/webgpu.ts";
import { BACKEND } from "../describe.ts";
import { convFilterGradient } from "./conv_filter_gradient.ts";
import { matMul } from "./mat_mul.ts";

/** Our kernels, each made from TF.js's, which it may call. */
const KERNELS: Readonly<Record<string, (theirs: tf.KernelFunc) => tf.KernelFunc>> = {
  [tf.BatchMatMul]: matMul,
  [tf.Conv2DBackpropFilter]: () => convFilterGradient,
};

registerWebgpuKeepMask(BACKEND);
for (const [kernelName, make] of Object.entries(KERNELS)) {
  const { kernelFunc } = tf.getKernel(kernelName, BACKEND);
  tf.unregisterKernel(kernelName, BACKEND);
  tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc: make(kernelFunc) });
}
