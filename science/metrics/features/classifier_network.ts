import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors } from "../../tensor/device.ts";

/** Sizes of a small convolutional classifier that gives features in the domain of its training images. */
export interface ClassifierConfig {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
  /** Number of channels of the first layer; there are four times as many features. */
  readonly base: number;
}

/** Length of a feature vector. */
export function classifierDimension({ base }: Pick<ClassifierConfig, "base">): number {
  return 4 * base;
}

/**
 * Returns the parameters in the order of the flat vector that holds them, with their initialisation: that of He et al.
 * 2015 for layers before a SiLU; biases start at 0.
 */
export function classifierParameters({ channels, classes, base }: ClassifierConfig) {
  const conv = (name: string, from: number, to: number) => [
    { name: `${name}.kernel`, shape: [3, 3, from, to], init: { uniform: Math.sqrt(6 / (9 * from)) } },
    { name: `${name}.bias`, shape: [to], init: { uniform: 0 } },
  ];
  return [
    ...conv("conv1", channels, base),
    ...conv("conv2", base, 2 * base),
    ...conv("conv3", 2 * base, 2 * base),
    ...conv("conv4", 2 * base, 4 * base),
    { name: "logits.kernel", shape: [4 * base, classes], init: { uniform: Math.sqrt(3 / (4 * base)) } },
    { name: "logits.bias", shape: [classes], init: { uniform: 0 } },
  ];
}

/**
 * Computes the activations of the four convolutions, each of images [B, h, w, c].
 *
 * @param params tensors by the names and shapes of `classifierParameters` @param x [B, H, W, C] in [-1, 1]
 */
export function activations(params: NamedTensors, x: tf.Tensor): readonly tf.Tensor[] {
  const conv = (input: tf.Tensor, name: string, stride: 1 | 2) => {
    const kernel = params[`${name}.kernel`] as tf.Tensor4D;
    const sum = tf.add(tf.conv2d(input as tf.Tensor4D, kernel, stride, "same"), params[`${name}.bias`]!);
    return tf.mul(sum, tf.sigmoid(sum));
  };
  const first = conv(x, "conv1", 1);
  const second = conv(first, "conv2", 2);
  const third = conv(second, "conv3", 1);
  return [first, second, third, conv(third, "conv4", 2)];
}

/**
 * Computes features and logits of images.
 *
 * @param params tensors by the names and shapes of `classifierParameters`
 * @param x [B, H, W, C] in [-1, 1]
 * @returns `features` [B, 4 base], the mean over the last layer's pixels; `logits` [B, classes]
 */
export function classify(params: NamedTensors, x: tf.Tensor) {
  const features = tf.mean(activations(params, x).at(-1)!, [1, 2]) as tf.Tensor2D;
  const logits = tf.add(tf.matMul(features, params["logits.kernel"] as tf.Tensor2D), params["logits.bias"]!);
  return { features, logits };
}
