/** Importing this puts our kernels in the place of TF.js's, and beside them. */
import "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import { registerWebgpuKeepMask } from "../../random/kernels/webgpu.ts";
import { BACKEND } from "../describe.ts";
import { addN } from "./add_n.ts";
import { convFilterGradient } from "./conv_filter_gradient.ts";
import { matMul } from "./mat_mul.ts";
import type { KernelMaker } from "./program.ts";

const KERNELS: Readonly<Record<string, KernelMaker>> = {
  [tf.AddN]: addN,
  [tf.BatchMatMul]: matMul,
  [tf.Conv2DBackpropFilter]: convFilterGradient,
};

registerWebgpuKeepMask(BACKEND);
for (const [kernelName, make] of Object.entries(KERNELS)) {
  const { kernelFunc } = tf.getKernel(kernelName, BACKEND);
  tf.unregisterKernel(kernelName, BACKEND);
  const ours = make(kernelFunc as Parameters<KernelMaker>[0]);
  tf.registerKernel({ kernelName, backendName: BACKEND, kernelFunc: ours as unknown as tf.KernelFunc });
}
