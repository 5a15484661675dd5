import * as tf from "@tensorflow/tfjs-core";
import { defineNetwork, type ForwardInputs } from "../define.ts";
import type { BlockPlan } from "../block_parameters.ts";
import { residualBlock } from "../blocks.ts";
import { conv, dense, norm, silu, timeEmbedding, upsample } from "../layers.ts";
import { type UnetConfig, unetConfig, unetParams } from "./config.ts";
import { AUGMENTATION_EMBEDDING, planUnet, unetParameterSpecs } from "./plan.ts";

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
  const run = (block: BlockPlan, input: tf.Tensor) =>
    residualBlock(weights, block, input, { time, drop, details: config });

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
