import * as tf from "@tensorflow/tfjs-core";
import type { BlockPlan } from "./block_parameters.ts";
import type { ForwardInputs } from "./define.ts";
import { attend, conv, dense, type GroupNormOptions, norm, silu, type Weights } from "./layers.ts";

/** Details of a block that leave the shapes of its parameters as they are. */
interface BlockDetails extends GroupNormOptions {
  /** Channels of an attention head. Default: one head of all channels. */
  readonly headWidth?: number;
}

/**
 * The residual block of Ho et al. 2020 with the self-attention after it, if any. Dropout comes before its second
 * convolution.
 *
 * @param x [B, H, W, C]
 * @param options.time [B, width], the activated time embedding that all blocks share; undefined if there is none
 */
export function residualBlock(
  weights: Weights,
  block: BlockPlan,
  x: tf.Tensor,
  { time, drop, details }: Readonly<{ time?: tf.Tensor; drop: ForwardInputs["dropout"]; details: BlockDetails }>,
): tf.Tensor {
  const { name, inChannels, outChannels } = block;
  const shift = time === undefined
    ? {}
    : { shift: tf.reshape(dense(weights, `${name}.time`, time), [-1, 1, 1, outChannels]) };
  const first = conv(weights, `${name}.conv1`, silu(norm(weights, `${name}.norm1`, x, details)), shift);
  const second = conv(weights, `${name}.conv2`, drop(silu(norm(weights, `${name}.norm2`, first, details))));
  const shortcut = inChannels === outChannels ? x : dense(weights, `${name}.shortcut`, x);
  const sum = tf.add(shortcut, second);
  return block.attention === undefined ? sum : attention(weights, block.attention, sum, details);
}

/**
 * Self-attention over all pixels with a residual connection: every pixel attends to every pixel, softmax(q k /
 * sqrt(C)). One head (Ho et al. 2020, appendix B), or heads of `headWidth` channels, side by side.
 *
 * @param x [B, H, W, C]
 */
export function attention(weights: Weights, name: string, x: tf.Tensor, details: BlockDetails = {}): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const { headWidth = channels } = details;
  const flat = [batch, height * width, channels];
  const byHead = [batch, height * width, channels / headWidth, headWidth];
  const isOneHead = headWidth === channels;
  const apart = (h: tf.Tensor) => isOneHead ? h : tf.transpose(tf.reshape(h, byHead), [0, 2, 1, 3]);
  const joined = (h: tf.Tensor) => isOneHead ? h : tf.reshape(tf.transpose(h, [0, 2, 1, 3]), flat);
  const pixels = tf.reshape(norm(weights, `${name}.norm`, x, details), flat);
  const parts = tf.split(dense(weights, `${name}.qkv`, pixels), 3, 2).map(apart);
  const [q, k, v] = parts as [tf.Tensor, tf.Tensor, tf.Tensor];
  const mixed = joined(attend(q, k, v));
  return tf.add(x, tf.reshape(dense(weights, `${name}.out`, mixed), x.shape));
}
