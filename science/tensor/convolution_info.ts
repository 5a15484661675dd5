import * as tf from "@tensorflow/tfjs-core";

/** The attributes that decide the sizes of a convolution, and of both of its gradients. */
type ConvolutionAttributes = Pick<tf.Conv2DBackpropInputAttrs, "strides" | "pad" | "dimRoundingMode">;

/**
 * Computes sizes and padding of a convolution of images [N, H, W, C] with a filter [kH, kW, C, O], by TF.js's own
 * rules. Other orders of the axes are refused by tracing, which every function goes through on each device.
 */
export function convolutionInfo(
  images: readonly number[],
  filter: readonly number[],
  { strides, pad, dimRoundingMode }: ConvolutionAttributes,
  dilations: number | [number, number] = 1,
  depthwise = false,
): tf.backend_util.Conv2DInfo {
  const [input, kernel] = [images, filter] as unknown as [number, number, number, number][];
  return tf.backend_util.computeConv2DInfo(input!, kernel!, strides, dilations, pad, dimRoundingMode, depthwise);
}

type WindowInfo = tf.backend_util.Conv2DInfo | tf.backend_util.Conv3DInfo;

/** Computes sizes and padding of windows over images [N, ...size, C], by the rules of TF.js's pools. */
export function poolInfo(
  images: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: tf.AvgPoolAttrs,
): WindowInfo {
  const { computePool2DInfo, computePool3DInfo } = tf.backend_util;
  // Both functions accept the same arguments; their types differ only in the lengths of lists.
  const compute = (images.length === 5 ? computePool3DInfo : computePool2DInfo) as typeof computePool2DInfo;
  return compute(images as [number, number, number, number], filterSize, strides, 1, pad, dimRoundingMode);
}

/** Returns the sizes of windows, with one number for each axis of the images. */
export function windowsOf(info: WindowInfo) {
  const axes = "outDepth" in info ? ["Depth", "Height", "Width"] : ["Height", "Width"];
  const told = info as unknown as Readonly<Record<string, number>>;
  const each = (name: string) => axes.map((axis) => told[name + axis]!);
  const { front = 0, top, left, back = 0, bottom, right } = info.padInfo as tf.backend_util.PadInfo3D;
  const pads = [[front, top, left], [back, bottom, right]].flatMap((side) => side.slice(-axes.length));
  const sizes = { kernel: each("filter"), strides: each("stride"), dilations: each("dilation") };
  return { output: info.outShape as readonly number[], ...sizes, pads };
}
