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
): tf.backend_util.Conv2DInfo {
  const [input, kernel] = [images, filter] as unknown as [number, number, number, number][];
  return tf.backend_util.computeConv2DInfo(input!, kernel!, strides, dilations, pad, dimRoundingMode);
}
