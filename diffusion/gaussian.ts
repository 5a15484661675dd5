import * as tf from "@tensorflow/tfjs-core";

/** Computes a x + b y. */
export function mixed(a: tf.Tensor, x: tf.Tensor, b: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(a, x), tf.mul(b, y));
}

/** Reshapes a factor per image, [B] to [B, 1, 1, 1], so that it broadcasts over a tensor of images. */
export function perImage(factor: tf.Tensor, images: tf.Tensor): tf.Tensor {
  return tf.reshape(factor, [-1, ...Array.from({ length: images.rank - 1 }, () => 1)]);
}
