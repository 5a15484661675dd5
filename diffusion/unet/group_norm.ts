import * as tf from "@tensorflow/tfjs-core";
import { groupsFor } from "./config.ts";

/** Settings of a group normalisation. */
export interface GroupNormOptions {
  /** The number of groups. Default: see `groupsFor`. */
  readonly groups?: number;
  /**
   * Added to the variance. Default 1e-6: tf.contrib's, which the paper's checkpoints were trained with
   * (pesser/pytorch_diffusion reproduces it).
   */
  readonly normEpsilon?: number;
}

/**
 * Group normalisation (Wu & He 2018) over H, W and the channels of a group, then scale and bias per channel.
 *
 * Both passes are written as sums per image and channel, [B, C], followed by one multiply-add over the images: autodiff
 * of the textbook form makes several passes over a five-dimensional copy of the images.
 *
 * @param x [B, H, W, C]
 * @param scale [C]
 * @param bias [C]
 */
export function groupNorm(
  x: tf.Tensor,
  scale: tf.Tensor,
  bias: tf.Tensor,
  { groups: wanted, normEpsilon = 1e-6 }: GroupNormOptions = {},
): tf.Tensor {
  const { grouped, count } = groupsOf(x as tf.Tensor4D, wanted);
  return tf.customGrad((...args) => {
    const [x, scale, bias, save] = args as [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D, tf.GradSaveFunc];
    const [, groups, size] = grouped;
    const perGroup = (sums: tf.Tensor) => tf.div(tf.sum(tf.reshape(sums, grouped), 2, true), count);

    const mean = perGroup(tf.sum(x, [1, 2]));
    // Rounding can make the difference of the two moments slightly negative.
    const variance = tf.relu(tf.sub(perGroup(tf.sum(tf.square(x), [1, 2])), tf.square(mean)));
    const inverse = tf.rsqrt(tf.add(variance, normEpsilon));
    const factor = tf.mul(inverse, tf.reshape(scale, [1, groups, size]));
    const offset = tf.sub(tf.reshape(bias, [1, groups, size]), tf.mul(mean, factor));
    save([x, scale, mean, inverse]);

    return {
      value: affine(x, factor, offset),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => groupNormGradient(dy as tf.Tensor4D, saved, wanted),
    };
  })(x, scale, bias);
}

/**
 * With n the normalised x and means taken over a group: dx = inverse (g - mean(g) - n mean(g n)), g = scale dy.
 * Collected by powers of dy and x, this is one affine map per image and channel.
 */
function groupNormGradient(dy: tf.Tensor4D, saved: tf.Tensor[], wanted: number | undefined): tf.Tensor[] {
  const [x, scale, mean, inverse] = saved as [tf.Tensor4D, tf.Tensor1D, tf.Tensor, tf.Tensor];
  const { grouped, count } = groupsOf(x, wanted);
  const [, groups, size] = grouped;
  const sumDy = tf.reshape(tf.sum(dy, [1, 2]), grouped);
  const sumDyX = tf.reshape(tf.sum(tf.mul(dy, x), [1, 2]), grouped);
  const sumDyN = tf.mul(tf.sub(sumDyX, tf.mul(mean, sumDy)), inverse);

  const groupedScale = tf.reshape(scale, [1, groups, size]);
  const meanG = tf.div(tf.sum(tf.mul(groupedScale, sumDy), 2, true), count);
  const meanGn = tf.div(tf.sum(tf.mul(groupedScale, sumDyN), 2, true), count);

  const dyFactor = tf.mul(inverse, groupedScale);
  const xFactor = tf.neg(tf.mul(tf.square(inverse), meanGn));
  const offset = tf.sub(tf.neg(tf.mul(inverse, meanG)), tf.mul(mean, xFactor));
  const spread = (perGroup: tf.Tensor) => tf.tile(perGroup, [1, 1, size]);

  const dx = tf.add(tf.mul(dy, perChannel(dyFactor)), affine(x, spread(xFactor), spread(offset)));
  return [dx, tf.reshape(tf.sum(sumDyN, 0), [-1]), tf.reshape(tf.sum(sumDy, 0), [-1])];
}

/** Returns the shape of sums per channel, [B, G, C/G], and the number of values that a group has in one image. */
function groupsOf({ shape: [batch, height, width, channels] }: tf.Tensor4D, groups = groupsFor(channels)) {
  const grouped: [number, number, number] = [batch, groups, channels / groups];
  return { grouped, count: height * width * channels / groups };
}

/** Computes x times a factor plus an offset per image and channel. @param factor, offset [B, G, C/G] */
function affine(x: tf.Tensor4D, factor: tf.Tensor, offset: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(x, perChannel(factor)), perChannel(offset));
}

/** Reshapes [B, G, C/G] to [B, 1, 1, C]. */
function perChannel(grouped: tf.Tensor): tf.Tensor {
  const [batch, groups, size] = grouped.shape as [number, number, number];
  return tf.reshape(grouped, [batch, 1, 1, groups * size]);
}
