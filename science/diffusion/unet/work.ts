import { pixelsAt, resolutionsOf, type UnetConfig } from "./config.ts";
import { blockActivations } from "../block_parameters.ts";
import { planUnet, unetParameterSpecs } from "./plan.ts";

/**
 * Returns the arithmetic of one forward pass for one image, in GFLOP: convolutions, products and attention, two
 * operations per multiply-add.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function forwardGflop(config: UnetConfig): number {
  const resolutions = resolutionsOf(config);
  const products = unetParameterSpecs(config).filter(({ name }) => name.endsWith(".kernel")).map(({ name, shape }) => {
    const resolution = resolutionOf(name, resolutions);
    const positions = resolution === undefined ? 1 : pixelsAt(resolution, config);
    const ofKernel = shape.reduce((product, length) => product * length, positions);
    // Attention scores and their product with the values are two more products for each pair of positions.
    return name.endsWith(".qkv.kernel") ? ofKernel + 2 * shape[0]! * positions ** 2 : ofKernel;
  });
  return 2 * products.reduce((sum, one) => sum + one, 0) / 1e9;
}

/** Returns the resolution of the output of a kernel; undefined for the layers of the time embedding. */
function resolutionOf(name: string, resolutions: readonly number[]): number | undefined {
  if (/(^|\.)time\./.test(name)) return undefined;
  const [way, level] = name.split(".");
  const own = way === "middle" ? resolutions.at(-1)! : resolutions[Number(level)] ?? resolutions[0]!;
  return name.includes("downsample") ? own / 2 : name.includes("upsample") ? own * 2 : own;
}

/**
 * Returns the features that decide the pace of a network: the mean number of channels over its levels, whose pace rises
 * from 2.3 GFLOP/s at 16 to 18.5 at 64 on two cores, hence the square; other sizes change the pace little.
 */
export function unetShape({ channels, multipliers, imageSize }: UnetConfig): number[] {
  const meanChannels = channels * multipliers.reduce((sum, one) => sum + one, 0) / multipliers.length;
  return [meanChannels ** 2, imageSize];
}

/**
 * Returns the number of values that the operations of a forward pass compute for one image, about as many as in its
 * trace. A gradient reads most of them again.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function activationCount(config: UnetConfig): number {
  const { down, middle, up } = planUnet(config);
  const resolutions = resolutionsOf(config);
  const last = resolutions.length - 1;
  const levels = [
    ...down.map((level, i) => ({ ...level, pixels: pixelsAt(resolutions[i]!, config), scale: 1 / 2 })),
    { blocks: middle, channels: 0, pixels: pixelsAt(resolutions[last]!, config), scale: 0 },
    ...up.map((level, i) => ({ ...level, pixels: pixelsAt(resolutions[last - i]!, config), scale: 16 })),
  ];
  return levels.flatMap(({ blocks, channels, pixels, scale }, i) => [
    ...blocks.map((block) =>
      blockActivations(block, pixels, block.outChannels / (config.headWidth ?? block.outChannels))
    ),
    // Convolutions that change the resolution; on the up path, with the upsampling before them.
    i === last || i === levels.length - 1 ? 0 : channels * pixels * scale,
  ]).reduce((sum, one) => sum + one, 6 * config.channels * pixelsAt(resolutions[0]!, config));
}
