import * as tf from "@tensorflow/tfjs-core";
import { convolutionInfo, poolInfo, windowsOf } from "../../convolution_info.ts";
import type { Shape } from "../graph.ts";
import type { KernelCall } from "./translation.ts";

/** Sizes, strides and padding of windows over images. */
export type Windows = Readonly<ReturnType<typeof windows>>;

export type ConvolutionGeometry = Readonly<ReturnType<typeof convolutionGeometry>>;

/**
 * Computes sizes by TF.js's own rules for padding and rounding. `filter` is [...kernel, C, O], in one group, or for a
 * depthwise convolution, [kH, kW, C, M] -> [N, outH, outW, C M], in as many groups as there are channels.
 */
export function convolutionGeometry(
  call: KernelCall,
  input: Shape,
  filter: Shape,
  depthwise = false,
) {
  // Kernels without a format have channels last.
  const { dataFormat = "NHWC", dilations } = call.attributes;
  if (dataFormat !== "NHWC" && dataFormat !== "NDHWC") {
    call.fail(`dataFormat must be "NHWC": got "${dataFormat}"`, "keep images channels last");
  }
  if (filter.at(-2) !== input.at(-1)) {
    call.fail(`the filter wants ${filter.at(-2)} channels, the image has ${input.at(-1)}`, "use groups of 1");
  }
  const infoOf = input.length === 5 ? volumeInfo : convolutionInfo;
  const info = infoOf(input, filter, call.attributes, dilations, depthwise);
  return { ...windows(call, input, info), filter, groups: depthwise ? input.at(-1)! : 1 };
}

/** Like `convolutionInfo`, for volumes. */
function volumeInfo(...[images, filter, { strides, pad }, dilations = 1]: Parameters<typeof convolutionInfo>) {
  const [input, kernel] = [images, filter] as unknown as [number, number, number, number, number][];
  const { computeConv3DInfo } = tf.backend_util;
  return computeConv3DInfo(input!, kernel!, strides as number, dilations as number, pad as "same");
}

export function poolGeometry(call: KernelCall, input: Shape) {
  return windows(call, input, poolInfo(input, call.attributes));
}

/** Returns windows over images [N, ...size, C] with results [N, ...outSize, O]. */
function windows({ fail }: KernelCall, input: Shape, info: Parameters<typeof windowsOf>[0]) {
  const found = windowsOf(info);
  // If windows leave out pixels between them, TF.js pads volumes by a negative amount, and then reads other pixels.
  if (found.pads.some((count) => count < 0)) {
    fail(`padding "same" with strides [${found.strides}]`, 'use padding "valid"');
  }
  return { input, ...found };
}

/** True if windows hold one pixel each, and every pixel is in one window. */
export function isPointwise({ kernel, strides, pads }: Windows): boolean {
  return [...kernel, ...strides].every((size) => size === 1) && pads.every((count) => count === 0);
}
