import { resolutionsOf, type UnetConfig } from "./config.ts";
import { type BlockPlan, planUnet } from "./plan.ts";

/**
 * Arithmetic of one forward pass for one image, in GFLOP: convolutions, products and attention, two operations each.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function forwardGflop(config: UnetConfig): number {
  const plan = planUnet(config);
  const resolutions = resolutionsOf(config);
  const [top, bottom] = [resolutions[0]!, resolutions.at(-1)!];
  const width = 4 * config.channels;

  let products = config.channels * width + width * width;
  products += conv(config.inChannels, config.channels, top) + conv(plan.headChannels, config.outChannels, top);
  const levels = [
    ...plan.down.map((level, i) => ({ level, resolution: resolutions[i]!, resampled: resolutions[i]! / 2 })),
    ...plan.up.map((level, i) => {
      const resolution = resolutions[resolutions.length - 1 - i]!;
      return { level, resolution, resampled: resolution * 2 };
    }),
  ];
  for (const { level, resolution, resampled } of levels) {
    for (const block of level.blocks) products += blockProducts(block, { resolution, timeWidth: width });
    if (level.resample !== undefined) products += conv(level.channels, level.channels, resampled);
  }
  for (const block of plan.middle) products += blockProducts(block, { resolution: bottom, timeWidth: width });
  return 2 * products / 1e9;
}

/**
 * What decides the pace of a network: channels, on average over its levels, from 2.3 GFLOP/s at 16 to 18.5 at 64 on two
 * cores, hence the square; with the rest it changes little.
 */
export function unetShape({ channels, multipliers, imageSize }: UnetConfig): number[] {
  const meanChannels = channels * multipliers.reduce((sum, one) => sum + one, 0) / multipliers.length;
  return [meanChannels ** 2, imageSize];
}

function blockProducts(block: BlockPlan, { resolution, timeWidth }: { resolution: number; timeWidth: number }): number {
  const { inChannels, outChannels } = block;
  const positions = resolution * resolution;
  const shortcut = inChannels === outChannels ? 0 : inChannels * outChannels * positions;
  const convolutions = conv(inChannels, outChannels, resolution) + conv(outChannels, outChannels, resolution);
  // Queries, keys, values and the way out are four square products; scores and their use are two more per pair.
  const attention = block.attention === undefined
    ? 0
    : 4 * outChannels * outChannels * positions + 2 * outChannels * positions * positions;
  return convolutions + shortcut + timeWidth * outChannels + attention;
}

/** Products of a 3x3 convolution with an output of this resolution. */
function conv(inChannels: number, outChannels: number, resolution: number): number {
  return 9 * inChannels * outChannels * resolution * resolution;
}
