import { assertNone, resolutionsOf, type UnetConfig, validateUnetConfig } from "./config.ts";
import { blockParameters, type BlockPlan, ZERO_SCALE } from "../block_parameters.ts";
import type { ParameterSpec } from "../define.ts";
import { convParameters, denseParameters, normParameters } from "../layer_parameters.ts";

/**
 * Returns the network's blocks in the order in which they run. Parameters and forward pass are both derived from this
 * plan, so that they cannot disagree about a channel count.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 * @returns for each level its blocks, the channels after the last of them, and the prefix of the convolution that then
 * changes the resolution, undefined at the end of the down or up path; and `headChannels`, the input channels of the
 * last convolution
 */
export function planUnet(config: UnetConfig) {
  const last = config.multipliers.length - 1;
  const resolutions = resolutionsOf(config);
  let channels = config.channels;
  const skips = [channels];

  const block = (way: string, level: number, index: number, inChannels: number): BlockPlan => ({
    name: `${way}.${level}.block.${index}`,
    inChannels,
    outChannels: config.channels * config.multipliers[level]!,
    attention: config.attention.includes(resolutions[level]!) ? `${way}.${level}.attention.${index}` : undefined,
  });

  const down = config.multipliers.map((_, level) => {
    const blocks = Array.from({ length: config.blocks }, (_, index) => {
      const plan = block("down", level, index, channels);
      channels = plan.outChannels;
      skips.push(channels);
      return plan;
    });
    // The output of each downsampling is a skip as well, and the up path has one more block for it.
    if (level !== last) skips.push(channels);
    return { blocks, channels, resample: level !== last ? `down.${level}.downsample` : undefined };
  });

  const middleBlock = (index: number, attention: string | undefined): BlockPlan => ({
    name: `middle.block.${index}`,
    inChannels: channels,
    outChannels: channels,
    attention,
  });
  const middle = [middleBlock(0, "middle.attention"), middleBlock(1, undefined)] as const;

  const up = config.multipliers.map((_, fromTop) => last - fromTop).map((level) => {
    const blocks = Array.from({ length: config.blocks + 1 }, (_, index) => {
      const plan = block("up", level, index, channels + skips.pop()!);
      channels = plan.outChannels;
      return plan;
    });
    return { blocks, channels, resample: level !== 0 ? `up.${level}.upsample` : undefined };
  });

  return { down, middle, up, headChannels: channels };
}

/**
 * Returns all parameters of the network, in the order of the flat vector that holds them.
 *
 * @throws RangeError when the configuration has problems (see `validateUnetConfig`).
 */
export function unetParameterSpecs(config: UnetConfig): ParameterSpec[] {
  assertNone("U-Net", validateUnetConfig(config));
  const plan = planUnet(config);
  const width = 4 * config.channels;
  const blocks = (list: readonly BlockPlan[]) => list.flatMap((block) => blockParameters(block, width));
  return [
    ...denseParameters("time.dense1", config.channels, width),
    ...denseParameters("time.dense2", width, width),
    ...(config.classes === undefined ? [] : [classEmbedding(config.classes, width)]),
    ...(config.augmentation === undefined ? [] : [augmentationEmbedding(config.augmentation, width)]),
    ...convParameters("conv_in", config.inChannels, config.channels),
    ...plan.down.flatMap((level) => [...blocks(level.blocks), ...resample(level.resample, level.channels)]),
    ...blocks(plan.middle),
    ...plan.up.flatMap((level) => [...blocks(level.blocks), ...resample(level.resample, level.channels)]),
    ...normParameters("norm_out", plan.headChannels),
    ...convParameters("conv_out", plan.headChannels, config.outChannels, ZERO_SCALE),
  ];
}

/**
 * One row for each label and one for no label, initialised with standard deviation 1 as in openai/improved-diffusion.
 */
function classEmbedding(classes: number, width: number): ParameterSpec {
  const init = { scale: 1, fanIn: 1, fanOut: 1 };
  return { name: "classes.embedding", shape: [classes + 1, width], init };
}

export const AUGMENTATION_EMBEDDING = "augmentation.embedding";

/** A linear layer without a bias, so that it adds nothing for an image as it is (NVlabs/edm, `SongUNet`). */
function augmentationEmbedding(length: number, width: number): ParameterSpec {
  return { name: AUGMENTATION_EMBEDDING, shape: [length, width], init: { scale: 1, fanIn: length, fanOut: width } };
}

function resample(name: string | undefined, channels: number): ParameterSpec[] {
  return name === undefined ? [] : convParameters(name, channels, channels);
}
