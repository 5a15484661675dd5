/**
 * Building blocks of networks: layers that read their weights by name, and the parameters that belong to them.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, Tensor } from "../tensor/device.ts";
import { ATTENTION, GROUP_NORM, layer, SILU, UPSAMPLE } from "../tensor/layer_kernels.ts";
import { groupsFor } from "./unet/config.ts";

export { convParameters, denseParameters, normParameters } from "./layer_parameters.ts";

/** Weights of a network by name, as `forward` gets them. */
export type Weights = Readonly<NamedTensors>;

/** Settings of a group normalisation. */
export interface GroupNormOptions {
  /** The number of groups. Default: 32, fewer for less than 128 channels. */
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
 * @param weights those of `normParameters(name, C)`
 * @param x [B, H, W, C]
 * @returns of the same shape
 */
export function norm(
  weights: Weights,
  name: string,
  x: Tensor,
  { groups = groupsFor(x.shape[3]!), normEpsilon: epsilon = 1e-6 }: GroupNormOptions = {},
): Tensor {
  const [scale, bias] = [weights[`${name}.scale`]!, weights[`${name}.bias`]!];
  return layer(GROUP_NORM, { x, scale, bias }, { kept: ["x", "scale"], groups, epsilon });
}

/**
 * 3x3 convolution, output of the input's size divided by `stride`. Stride 2 pads as TensorFlow's SAME does for even
 * sizes: nothing at the top and left, one row at the bottom and right.
 *
 * @param weights those of `convParameters(name, in, out)`
 * @param x [B, H, W, in]
 * @param options.shift [B, 1, 1, out], added together with the bias, in one pass over the images
 * @param options.padding 1: with stride 2, one row at the top and left instead, as PyTorch's padding 1 for even sizes
 */
export function conv(
  weights: Weights,
  name: string,
  x: Tensor,
  { stride = 1, shift, padding }: { readonly stride?: 1 | 2; readonly shift?: Tensor; readonly padding?: 0 | 1 } = {},
): Tensor {
  const kernel = weights[`${name}.kernel`] as tf.Tensor4D;
  const bias = weights[`${name}.bias`]!;
  // Not every engine has gradients of convolutions with a padding other than same or valid.
  const product = stride === 2 && padding === 1
    ? tf.conv2d(tf.pad(x as tf.Tensor4D, [[0, 0], [1, 0], [1, 0], [0, 0]]), kernel, stride, "valid")
    : tf.conv2d(x as tf.Tensor4D, kernel, stride, "same");
  return tf.add(product, shift === undefined ? bias : tf.add(shift, bias));
}

/**
 * x W + b over the last axis; a 1x1 convolution when x is a tensor of images.
 *
 * @param weights those of `denseParameters(name, in, out)`
 * @param x [..., in]
 * @returns [..., out]
 */
export function dense(weights: Weights, name: string, x: Tensor): Tensor {
  const kernel = weights[`${name}.kernel`] as tf.Tensor2D;
  const [inChannels, outChannels] = kernel.shape;
  const rows = tf.reshape(x, [-1, inChannels]) as tf.Tensor2D;
  const product = tf.add(tf.matMul(rows, kernel), weights[`${name}.bias`]!);
  return tf.reshape(product, [...x.shape.slice(0, -1), outChannels]);
}

/** x sigmoid(x) (SiLU; the paper's code calls it swish), of the same shape. */
export function silu(x: Tensor): Tensor {
  return layer(SILU, { x });
}

/**
 * Attention (Vaswani et al. 2017): softmax(q k^T scale) v, for each image and each head on its own.
 *
 * @param q [B, N, D] or, with heads, [B, heads, N, D] @param k, v [B, M, D] or [B, heads, M, D]
 * @param scale default 1 / sqrt(D)
 * @returns of the shape of q
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, scale: number = q.shape.at(-1)! ** -0.5): Tensor {
  return layer(ATTENTION, { q, k, v }, { kept: ["q", "k", "v"], scale });
}

/** Doubles height and width by repeating pixels, [B, H, W, C] to [B, 2H, 2W, C]. */
export function upsample(x: Tensor): Tensor {
  return layer(UPSAMPLE, { x });
}

/**
 * Sinusoidal embedding of the timestep: sines, then cosines, of t exp(-ln(10000) i / (half - s)), i < half = dim / 2.
 * In hojonathanho/diffusion, `nn.py`, the shift s is 1; OpenAI's later code has 0, and puts cosines first.
 *
 * @param t [B] float32 or int32, the raw index in [0, T), or a value between two of them
 * @param dim even, >= 4
 * @param options.frequencyShift s, default 1 @param options.cosinesFirst default false
 * @returns [B, dim]
 */
export function timeEmbedding(
  t: Tensor,
  dim: number,
  { frequencyShift = 1, cosinesFirst }: { readonly frequencyShift?: number; readonly cosinesFirst?: boolean } = {},
): Tensor {
  const half = dim / 2;
  const frequencies = Array.from({ length: half }, (_, i) => Math.exp(-Math.log(10000) * i / (half - frequencyShift)));
  const column = tf.reshape(tf.cast(t, "float32"), [-1, 1]);
  const angles = tf.mul(column, tf.tensor2d(frequencies, [1, half]));
  const both = [tf.sin(angles), tf.cos(angles)];
  return tf.concat(cosinesFirst === true ? both.reverse() : both, 1);
}
