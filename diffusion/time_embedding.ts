import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "../tensor/device.ts";

/**
 * Sinusoidal embedding of the timestep: sines then cosines of t exp(-ln(10000) i / (half - 1)), i < half = dim / 2
 * (hojonathanho/diffusion, `nn.py`). OpenAI's later code orders cosines first and divides by half: weights are not
 * interchangeable.
 *
 * @param t [B] float32 or int32, the raw index in [0, T), also between two
 * @param dim even, >= 4
 * @returns [B, dim]
 */
export function timeEmbedding(t: Tensor, dim: number): Tensor {
  const half = dim / 2;
  const frequencies = Array.from({ length: half }, (_, i) => Math.exp(-Math.log(10000) * i / (half - 1)));
  const column = tf.reshape(tf.cast(t, "float32"), [-1, 1]);
  const angles = tf.mul(column, tf.tensor2d(frequencies, [1, half]));
  return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
}
