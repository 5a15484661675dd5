import * as tf from "@tensorflow/tfjs";

/**
 * L_simple of Ho et al. 2020 (eq. 14) for each image: the mean over pixels and channels of (eps - eps_theta)^2. The
 * mean over a batch is the training loss.
 *
 * @param eps [B, H, W, C], the noise that was added
 * @param predicted [B, H, W, C]
 * @returns [B]
 */
export function simpleLossPerImage(eps: tf.Tensor, predicted: tf.Tensor): tf.Tensor {
  return tf.mean(tf.square(tf.sub(eps, predicted)), Array.from({ length: eps.rank - 1 }, (_, i) => i + 1));
}
