import * as tf from "@tensorflow/tfjs-core";
import { perImage } from "./gaussian.ts";

/** Terms of the variational bound as tensors, for losses; `likelihood_float64.ts` defines them. */

/** Gaussians, elementwise, in the shape of the images. */
export interface GaussianTensors {
  readonly mean: tf.Tensor;
  readonly logVariance: tf.Tensor;
}

/** KL(p || q) of Gaussians, in nats, elementwise. */
export function normalKlTensor(p: GaussianTensors, q: GaussianTensors): tf.Tensor {
  const difference = tf.sub(q.logVariance, p.logVariance);
  const squares = tf.mul(tf.square(tf.sub(p.mean, q.mean)), tf.exp(tf.neg(q.logVariance)));
  return tf.mul(tf.add(tf.sub(tf.add(difference, tf.exp(tf.neg(difference))), 1), squares), 0.5);
}

/**
 * `discretizedLogLikelihood` in float32, elementwise. Bins are folded to the lower side of the mean, where the
 * distribution function is small and a difference of two values keeps its digits.
 *
 * @param x in [-1, 1]
 */
export function discretizedLogLikelihoodTensor(x: tf.Tensor, { mean, logVariance }: GaussianTensors): tf.Tensor {
  const inverseScale = tf.exp(tf.mul(logVariance, -0.5));
  const centred = tf.sub(x, mean);
  const [isTop, isBottom] = [tf.greater(x, 0.999), tf.greater(tf.neg(x), 0.999)];
  const flipped = tf.neg(centred);
  // Minus the absolute value, without a comparison: a comparison on the way from the parameters has no gradient in
  // TF.js.
  const folded = tf.neg(tf.add(tf.relu(centred), tf.relu(flipped)));
  // The last bin is open above. Flipped, it is open below, like the first.
  const distance = tf.where(isTop, flipped, tf.where(isBottom, centred, folded));
  const upper = normalCdf(tf.mul(tf.add(distance, 1 / 255), inverseScale));
  const lower = normalCdf(tf.mul(tf.sub(distance, 1 / 255), inverseScale));
  const closed = tf.where(isTop, tf.zerosLike(lower), tf.where(isBottom, tf.zerosLike(lower), lower));
  return tf.log(tf.maximum(tf.sub(upper, closed), 1e-12));
}

/** 0.5 (1 + tanh(y)) as a logistic function, which does not cancel where tanh is near -1. */
function normalCdf(z: tf.Tensor): tf.Tensor {
  const cubed = tf.mul(tf.mul(tf.square(z), z), 0.044715);
  return tf.sigmoid(tf.mul(tf.add(z, cubed), 2 * Math.sqrt(2 / Math.PI)));
}

/**
 * Computes the term of the bound at each image's t in bits per dimension, [B].
 *
 * @param x0 [B, H, W, C] in [-1, 1]
 * @param truth q(x_{t-1} | x_t, x_0); its logVariance may be [B, 1, 1, 1]
 * @param model p(x_{t-1} | x_t)
 * @param isFirst [B], 1 where t = 0, else 0
 */
export function boundTermPerImage(
  x0: tf.Tensor,
  { truth, model, isFirst }: {
    readonly truth: GaussianTensors;
    readonly model: GaussianTensors;
    readonly isFirst: tf.Tensor;
  },
): tf.Tensor {
  const first = perImage(isFirst, x0);
  const decoder = tf.mul(discretizedLogLikelihoodTensor(x0, model), -1);
  const nats = tf.add(tf.mul(first, decoder), tf.mul(tf.sub(1, first), normalKlTensor(truth, model)));
  return tf.mul(tf.mean(nats, [1, 2, 3]), 1 / Math.LN2);
}
