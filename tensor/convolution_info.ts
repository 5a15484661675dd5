import * as tf from "@tensorflow/tfjs-core";

/** What decides the sizes of a convolution, as it and both of its gradients are told. */
type ConvolutionAttributes = Pick<tf.Conv2DBackpropInputAttrs, "strides" | "pad" | "dimRoundingMode">;

/**
 * Sizes and padding of a convolution of images [N, H, W, C] with a filter [kH, kW, C, O], by TF.js's own rules. Tracing,
 * which each function goes through on each device, lets no other order of the axes pass.
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

/** Sizes and padding of windows over images [N, ...size, C], by the rules of TF.js's pools. */
export function poolInfo(
  images: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: Pick<
    tf.AvgPoolAttrs,
    "filterSize" | "dimRoundingMode" | "pad" | "strides"
  >,
): tf.backend_util.Conv2DInfo | tf.backend_util.Conv3DInfo {
  return images.length === 5
    ? tf.backend_util.computePool3DInfo(
      images as [number, number, number, number, number],
      filterSize as number,
      strides as number,
      1,
      pad as "same",
      dimRoundingMode,
    )
    : tf.backend_util.computePool2DInfo(
      images as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
}

/** What is told of windows, with one number for each axis of the images. */
export function windowsOf(info: tf.backend_util.Conv2DInfo | tf.backend_util.Conv3DInfo) {
  const axes = "outDepth" in info ? ["Depth", "Height", "Width"] : ["Height", "Width"];
  const told = info as unknown as Readonly<Record<string, number>>;
  const { front = 0, top, left, back = 0, bottom, right } = info.padInfo as tf.backend_util.PadInfo3D;
  const [before, after] = [[front, top, left], [back, bottom, right]].map((pads) => pads.slice(-axes.length));
  return {
    output: info.outShape as readonly number[],
    kernel: axes.map((axis) => told[`filter${axis}`]!),
    strides: axes.map((axis) => told[`stride${axis}`]!),
    dilations: axes.map((axis) => told[`dilation${axis}`]!),
    pads: [...before!, ...after!],
  };
}
