import * as tf from "@tensorflow/tfjs-core";
import { attention } from "./attention.ts";
import type { UnetConfig } from "./config.ts";
import { dropout, type DropoutKey } from "./dropout.ts";
import { conv, dense, norm, type ParameterTensors, silu, upsample } from "./layers.ts";
import { type BlockPlan, planUnet } from "./plan.ts";
import { timeEmbedding } from "./time_embedding.ts";

/**
 * The noise predictor eps_theta(x_t, t) of Ho et al. 2020 (appendix B; hojonathanho/diffusion, `unet.py`).
 *
 * @param params tensors by the names and shapes of `unetParameterSpecs(config)`
 * @param x [B, H, W, inChannels] float32, H = W = config.imageSize
 * @param t [B] float32 or int32 in [0, T)
 * @param options.classes [B, classes + 1] one-hot, the last column for no label; for class-conditional networks
 * @param options.dropout before the second convolution of each residual block; for training only
 * @returns [B, H, W, outChannels]
 */
export function unet(
  params: ParameterTensors,
  x: tf.Tensor,
  t: tf.Tensor,
  config: UnetConfig,
  options: { readonly dropout?: DropoutKey; readonly classes?: tf.Tensor | undefined } = {},
): tf.Tensor {
  const plan = planUnet(config);
  const embedding = timeEmbedding(t, config.channels);
  const timed = dense(params, "time.dense2", silu(dense(params, "time.dense1", embedding)));
  const embedClasses = (oneHot: tf.Tensor) => tf.matMul(oneHot, params["classes.embedding"]!);
  const time = silu(config.classes === undefined ? timed : tf.add(timed, embedClasses(options.classes!)));
  // Blocks are numbered as they run, so that each drops by a mask of its own.
  let site = 0;
  const drop: Drop = (h) => options.dropout === undefined ? h : dropout(h, options.dropout, site++);
  const run = (block: BlockPlan, input: tf.Tensor) => blockForward(params, block, input, { time, drop });

  let h = conv(params, "conv_in", x);
  const skips = [h];
  for (const level of plan.down) {
    for (const block of level.blocks) skips.push(h = run(block, h));
    if (level.resample !== undefined) skips.push(h = conv(params, level.resample, h, { stride: 2 }));
  }
  for (const block of plan.middle) h = run(block, h);
  for (const level of plan.up) {
    for (const block of level.blocks) h = run(block, tf.concat([h, skips.pop()!], 3));
    if (level.resample !== undefined) h = conv(params, level.resample, upsample(h));
  }
  return conv(params, "conv_out", silu(norm(params, "norm_out", h)));
}

type Drop = (h: tf.Tensor) => tf.Tensor;

/** @param shared.time [B, 4 channels], the activated time embedding that all blocks share */
function blockForward(
  params: ParameterTensors,
  block: BlockPlan,
  x: tf.Tensor,
  { time, drop }: { readonly time: tf.Tensor; readonly drop: Drop },
): tf.Tensor {
  const { name, inChannels, outChannels } = block;
  const shift = tf.reshape(dense(params, `${name}.time`, time), [-1, 1, 1, outChannels]);
  const first = conv(params, `${name}.conv1`, silu(norm(params, `${name}.norm1`, x)), { shift });
  const second = conv(params, `${name}.conv2`, drop(silu(norm(params, `${name}.norm2`, first))));
  const shortcut = inChannels === outChannels ? x : dense(params, `${name}.shortcut`, x);
  const sum = tf.add(shortcut, second);
  return block.attention === undefined ? sum : attention(params, block.attention, sum);
}
