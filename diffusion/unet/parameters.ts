import type { ParameterSpec } from "../define.ts";
import {
  convParameters as conv,
  denseParameters as dense,
  layerParameters as layer,
  normParameters as norm,
} from "../layer_parameters.ts";
import { assertUnetConfig, type UnetConfig } from "./config.ts";
import { type BlockPlan, planUnet } from "./plan.ts";

/**
 * `scale` of the layers that Ho et al. initialise to zero: tiny, so that the layers before them still receive a
 * gradient.
 */
const ZERO_SCALE = 1e-10;

/**
 * Returns all parameters of the network, in the order of the flat vector that holds them.
 *
 * @throws RangeError when the configuration has problems (see `validateUnetConfig`).
 */
export function unetParameterSpecs(config: UnetConfig): ParameterSpec[] {
  assertUnetConfig(config);
  const plan = planUnet(config);
  const width = 4 * config.channels;
  const blocks = (list: readonly BlockPlan[]) => list.flatMap((block) => blockSpecs(block, width));
  return [
    ...dense("time.dense1", config.channels, width),
    ...dense("time.dense2", width, width),
    ...(config.classes === undefined ? [] : [classEmbedding(config.classes, width)]),
    ...conv("conv_in", config.inChannels, config.channels),
    ...plan.down.flatMap((level) => [...blocks(level.blocks), ...resample(level.resample, level.channels)]),
    ...blocks(plan.middle),
    ...plan.up.flatMap((level) => [...blocks(level.blocks), ...resample(level.resample, level.channels)]),
    ...norm("norm_out", plan.headChannels),
    ...conv("conv_out", plan.headChannels, config.outChannels, ZERO_SCALE),
  ];
}

/**
 * One row for each label and one for no label, initialised with standard deviation 1 as in openai/improved-diffusion.
 */
function classEmbedding(classes: number, width: number): ParameterSpec {
  const init = { scale: 1, fanIn: 1, fanOut: 1 };
  return { name: "classes.embedding", shape: [classes + 1, width], init };
}

function blockSpecs(block: BlockPlan, timeWidth: number): ParameterSpec[] {
  const { name, inChannels, outChannels, attention } = block;
  return [
    ...norm(`${name}.norm1`, inChannels),
    ...conv(`${name}.conv1`, inChannels, outChannels),
    ...dense(`${name}.time`, timeWidth, outChannels),
    ...norm(`${name}.norm2`, outChannels),
    ...conv(`${name}.conv2`, outChannels, outChannels, ZERO_SCALE),
    ...(inChannels === outChannels ? [] : dense(`${name}.shortcut`, inChannels, outChannels)),
    ...(attention === undefined ? [] : attentionSpecs(attention, outChannels)),
  ];
}

function attentionSpecs(name: string, channels: number): ParameterSpec[] {
  return [
    ...norm(`${name}.norm`, channels),
    // Queries, keys and values are side by side in one product; each third is initialised like a square layer.
    ...layer(`${name}.qkv`, [channels, 3 * channels], { scale: 1, fanIn: channels, fanOut: channels }),
    ...dense(`${name}.out`, channels, channels, ZERO_SCALE),
  ];
}

function resample(name: string | undefined, channels: number): ParameterSpec[] {
  return name === undefined ? [] : conv(name, channels, channels);
}
