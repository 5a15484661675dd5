import * as tf from "@tensorflow/tfjs-core";

/** What decides the sizes of a convolution, as both of its gradients are told. */
type ConvolutionAttributes = Pick<
  tf.Conv2DBackpropInputAttrs,
  "strides" | "pad" | "dataFormat" | "dimRoundingMode"
>;

/** Sizes and padding of a convolution of images [N, H, W, C] with a filter [kH, kW, C, O], by TF.js's own rules. */
export function convolutionInfo(
  images: readonly number[],
  filter: readonly number[],
  { strides, pad, dataFormat, dimRoundingMode }: ConvolutionAttributes,
): tf.backend_util.Conv2DInfo {
  return tf.backend_util.computeConv2DInfo(
    images as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    1,
    pad,
    dimRoundingMode,
    false,
    tf.backend_util.convertConv2DDataFormat(dataFormat),
  );
}
