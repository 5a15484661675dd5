import * as tf from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { convolutionInfo } from "../../convolution_info.ts";
import { BACKEND } from "../describe.ts";
import type { KernelMaker } from "./program.ts";

/**
 * Gradient of conv2d by its input. Without stride it is a convolution of dY with the filter turned around, for which
 * TF.js has a shader that shares what it reads; its own gradient reads everything anew for each result.
 */
export const convInputGradient: KernelMaker = (theirs) => (call) => {
  const { inputs: { dy, filter }, attrs, backend } = call;
  const { inputShape, ...sizes } = attrs as unknown as tf.Conv2DBackpropInputAttrs;
  const info = convolutionInfo(inputShape, filter!.shape, sizes);
  const { padInfo, filterHeight, filterWidth } = info;
  const [top, bottom] = [filterHeight - 1 - padInfo.top, filterHeight - 1 - padInfo.bottom];
  const [left, right] = [filterWidth - 1 - padInfo.left, filterWidth - 1 - padInfo.right];
  const direct = info.strideHeight === 1 && info.strideWidth === 1 && Math.min(top, bottom, left, right) >= 0;
  if (!direct) return theirs(call);
  const turned = turn(backend, filter!);
  const dx = run(tf.Conv2D, { x: dy!, filter: turned }, backend, {
    strides: [1, 1],
    pad: [[0, 0], [top, bottom], [left, right], [0, 0]],
    dataFormat: "NHWC",
    dilations: [1, 1],
  });
  backend.disposeData(turned.dataId);
  return dx;
};

/** [kH, kW, C, O] to [kH, kW, O, C], both axes of the kernel reversed. */
function turn(backend: WebGPUBackend, filter: tf.TensorInfo): tf.TensorInfo {
  const reversed = run(tf.Reverse, { x: filter }, backend, { dims: [0, 1] });
  const turned = run(tf.Transpose, { x: reversed }, backend, { perm: [0, 1, 3, 2] });
  backend.disposeData(reversed.dataId);
  return turned;
}

function run(name: string, inputs: tf.NamedTensorInfoMap, backend: WebGPUBackend, attrs: object): tf.TensorInfo {
  const { kernelFunc } = tf.getKernel(name, BACKEND);
  return kernelFunc({ inputs, backend, attrs: attrs as tf.NamedAttrMap }) as tf.TensorInfo;
}
