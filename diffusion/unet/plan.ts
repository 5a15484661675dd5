import { resolutionsOf, type UnetConfig } from "./config.ts";

/** One residual block and the self-attention after it, if any. `name` is the prefix of its parameters. */
export interface BlockPlan {
  readonly name: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Prefix of the attention's parameters, or undefined without attention. */
  readonly attention: string | undefined;
}

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
