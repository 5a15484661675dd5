import * as tf from "@tensorflow/tfjs-core";
import { defineNetwork, type ForwardInputs } from "../define.ts";
import { conv, dense, norm, silu, timeEmbedding, upsample, type Weights } from "../layers.ts";
import { type UnetConfig, unetConfig, unetParams } from "./config.ts";
import { AUGMENTATION_EMBEDDING, type BlockPlan, planUnet, unetParameterSpecs } from "./plan.ts";

/** The U-Net of Ho et al. 2020 (appendix B; hojonathanho/diffusion, `unet.py`). */
export default defineNetwork({
  params: unetParams,
  build(sizes, params) {
    const config = unetConfig(sizes, params);
    return { parameters: unetParameterSpecs(config), forward: (inputs) => unet(inputs, config) };
  },
});

/**
 * The noise predictor eps_theta(x_t, t) of Ho et al. 2020 (appendix B; hojonathanho/diffusion, `unet.py`). Dropout
 * comes before the second convolution of each residual block.
 *
 * @param inputs weights by the names and shapes of `unetParameterSpecs(config)`; x [B, H, W, inChannels], with the
 * height and width of the config
 * @returns [B, H, W, outChannels]
 */
function unet({ weights, x, t, labels, augmentation, dropout: drop }: ForwardInputs, config: UnetConfig): tf.Tensor {
  const plan = planUnet(config);
  const { downsamplePadding: padding = 0 } = config;
  const embedding = timeEmbedding(t, config.channels, config);
  const timed = dense(weights, "time.dense2", silu(dense(weights, "time.dense1", embedding)));
  const embedClasses = (oneHot: tf.Tensor) => tf.matMul(oneHot, weights["classes.embedding"]!);
  const labelled = config.classes === undefined ? timed : tf.add(timed, embedClasses(labels!));
  const told = () => tf.matMul(augmentation!, weights[AUGMENTATION_EMBEDDING]!);
  const time = silu(config.augmentation === undefined ? labelled : tf.add(labelled, told()));
  const run = (block: BlockPlan, input: tf.Tensor) => blockForward(weights, block, input, { time, drop, config });

  let h = conv(weights, "conv_in", x);
  const skips = [h];
  for (const level of plan.down) {
    for (const block of level.blocks) skips.push(h = run(block, h));
    if (level.resample !== undefined) skips.push(h = conv(weights, level.resample, h, { stride: 2, padding }));
  }
  for (const block of plan.middle) h = run(block, h);
  for (const level of plan.up) {
    for (const block of level.blocks) h = run(block, tf.concat([h, skips.pop()!], 3));
    if (level.resample !== undefined) h = conv(weights, level.resample, upsample(h));
  }
  return conv(weights, "conv_out", silu(norm(weights, "norm_out", h, config)));
}

type Details = Pick<UnetConfig, "groups" | "normEpsilon" | "headWidth">;

/** @param shared.time [B, 4 channels], the activated time embedding that all blocks share */
function blockForward(
  weights: Weights,
  block: BlockPlan,
  x: tf.Tensor,
  { time, drop, config }: Readonly<{ time: tf.Tensor; drop: ForwardInputs["dropout"]; config: UnetConfig }>,
): tf.Tensor {
  const { name, inChannels, outChannels } = block;
  const shift = tf.reshape(dense(weights, `${name}.time`, time), [-1, 1, 1, outChannels]);
  const first = conv(weights, `${name}.conv1`, silu(norm(weights, `${name}.norm1`, x, config)), { shift });
  const second = conv(weights, `${name}.conv2`, drop(silu(norm(weights, `${name}.norm2`, first, config))));
  const shortcut = inChannels === outChannels ? x : dense(weights, `${name}.shortcut`, x);
  const sum = tf.add(shortcut, second);
  return block.attention === undefined ? sum : attention(weights, block.attention, sum, config);
}

/**
 * Self-attention over all pixels with a residual connection: every pixel attends to every pixel, softmax(q k /
 * sqrt(C)). One head (Ho et al. 2020, appendix B), or heads of `headWidth` channels, side by side.
 *
 * @param x [B, H, W, C]
 */
export function attention(weights: Weights, name: string, x: tf.Tensor, details: Details = {}): tf.Tensor {
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
  const scores = tf.mul(tf.matMul(q, k, false, true), headWidth ** -0.5);
  const mixed = joined(tf.matMul(tf.softmax(scores), v));
  return tf.add(x, tf.reshape(dense(weights, `${name}.out`, mixed), x.shape));
}
