import * as tf from "@tensorflow/tfjs-core";
import { dense, norm, type Weights } from "../layers.ts";

/**
 * Self-attention over all pixels with one head and a residual connection (Ho et al. 2020, appendix B): every pixel
 * attends to every pixel, softmax(q k / sqrt(C)).
 *
 * @param x [B, H, W, C]
 */
export function attention(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const pixels = tf.reshape(norm(weights, `${name}.norm`, x), [batch, height * width, channels]);
  const [q, k, v] = tf.split(dense(weights, `${name}.qkv`, pixels), 3, 2) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const scores = tf.mul(tf.matMul(q, k, false, true), channels ** -0.5);
  const mixed = tf.matMul(tf.softmax(scores), v);
  return tf.add(x, tf.reshape(dense(weights, `${name}.out`, mixed), x.shape));
}
