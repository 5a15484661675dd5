import * as tf from "@tensorflow/tfjs-core";
import type { ForwardInputs } from "../define.ts";
import { conv, dense, norm, silu, timeEmbedding, upsample, type Weights } from "../layers.ts";
import { attention } from "./attention.ts";
import type { UnetConfig } from "./config.ts";
import { type BlockPlan, planUnet } from "./plan.ts";

/**
 * The noise predictor eps_theta(x_t, t) of Ho et al. 2020 (appendix B; hojonathanho/diffusion, `unet.py`). Dropout is
 * before the second convolution of each residual block.
 *
 * @param inputs weights by the names and shapes of `unetParameterSpecs(config)`; x [B, H, W, inChannels], H = W =
 * config.imageSize
 * @returns [B, H, W, outChannels]
 */
export function unet({ weights, x, t, labels, dropout: drop }: ForwardInputs, config: UnetConfig): tf.Tensor {
  const plan = planUnet(config);
  const embedding = timeEmbedding(t, config.channels);
  const timed = dense(weights, "time.dense2", silu(dense(weights, "time.dense1", embedding)));
  const embedClasses = (oneHot: tf.Tensor) => tf.matMul(oneHot, weights["classes.embedding"]!);
  const time = silu(config.classes === undefined ? timed : tf.add(timed, embedClasses(labels!)));
  const run = (block: BlockPlan, input: tf.Tensor) => blockForward(weights, block, input, { time, drop });

  let h = conv(weights, "conv_in", x);
  const skips = [h];
  for (const level of plan.down) {
    for (const block of level.blocks) skips.push(h = run(block, h));
    if (level.resample !== undefined) skips.push(h = conv(weights, level.resample, h, { stride: 2 }));
  }
  for (const block of plan.middle) h = run(block, h);
  for (const level of plan.up) {
    for (const block of level.blocks) h = run(block, tf.concat([h, skips.pop()!], 3));
    if (level.resample !== undefined) h = conv(weights, level.resample, upsample(h));
  }
  return conv(weights, "conv_out", silu(norm(weights, "norm_out", h)));
}

/** @param shared.time [B, 4 channels], the activated time embedding that all blocks share */
function blockForward(
  weights: Weights,
  block: BlockPlan,
  x: tf.Tensor,
  { time, drop }: { readonly time: tf.Tensor; readonly drop: ForwardInputs["dropout"] },
): tf.Tensor {
  const { name, inChannels, outChannels } = block;
  const shift = tf.reshape(dense(weights, `${name}.time`, time), [-1, 1, 1, outChannels]);
  const first = conv(weights, `${name}.conv1`, silu(norm(weights, `${name}.norm1`, x)), { shift });
  const second = conv(weights, `${name}.conv2`, drop(silu(norm(weights, `${name}.norm2`, first))));
  const shortcut = inChannels === outChannels ? x : dense(weights, `${name}.shortcut`, x);
  const sum = tf.add(shortcut, second);
  return block.attention === undefined ? sum : attention(weights, block.attention, sum);
}
