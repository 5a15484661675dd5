import * as tf from "@tensorflow/tfjs-core";

/**
 * The Gaussians of the diffusion chain on tensors (float32). Tables are gathered on the host, one entry per image [B],
 * so that the float64 tables are rounded once, at use.
 */

/**
 * A sample of q(x_t | x_0), Ho et al. 2020 eq. 4.
 *
 * @param x0 [B, H, W, C] in [-1, 1]
 * @param noise [B, H, W, C], N(0, I)
 * @param tables entries of the tables of those names at each image's t, [B]
 */
export function qSample(
  x0: tf.Tensor,
  noise: tf.Tensor,
  tables: { readonly sqrtAlphasCumprod: tf.Tensor; readonly sqrtOneMinusAlphasCumprod: tf.Tensor },
): tf.Tensor {
  return mixed(perImage(tables.sqrtAlphasCumprod, x0), x0, perImage(tables.sqrtOneMinusAlphasCumprod, x0), noise);
}

/** a x + b y. */
export function mixed(a: tf.Tensor, x: tf.Tensor, b: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(a, x), tf.mul(b, y));
}

/** A factor per image, [B] to [B, 1, 1, 1], so that it broadcasts over a tensor of images. */
export function perImage(factor: tf.Tensor, images: tf.Tensor): tf.Tensor {
  return tf.reshape(factor, [-1, ...Array.from({ length: images.rank - 1 }, () => 1)]);
}
