import { resolutionsOf, type UnetConfig } from "./config.ts";
import { unetParameterSpecs } from "./parameters.ts";

/**
 * Arithmetic of one forward pass for one image, in GFLOP: convolutions, products and attention, two operations each.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function forwardGflop(config: UnetConfig): number {
  const resolutions = resolutionsOf(config);
  const products = unetParameterSpecs(config).filter(({ name }) => name.endsWith(".kernel")).map(({ name, shape }) => {
    const positions = resolutionOf(name, resolutions) ** 2;
    const ofKernel = shape.reduce((product, length) => product * length, positions);
    // Scores and their use are two more products for each pair of positions.
    return name.endsWith(".qkv.kernel") ? ofKernel + 2 * shape[0]! * positions ** 2 : ofKernel;
  });
  return 2 * products.reduce((sum, one) => sum + one, 0) / 1e9;
}

/** Where a kernel works: as many pixels as its output has, or one where it is on the way of the time. */
function resolutionOf(name: string, resolutions: readonly number[]): number {
  if (/(^|\.)time\./.test(name)) return 1;
  const [way, level] = name.split(".");
  const own = way === "middle" ? resolutions.at(-1)! : resolutions[Number(level)] ?? resolutions[0]!;
  return name.includes("downsample") ? own / 2 : name.includes("upsample") ? own * 2 : own;
}

/**
 * What decides the pace of a network: channels, on average over its levels, from 2.3 GFLOP/s at 16 to 18.5 at 64 on two
 * cores, hence the square; with the rest it changes little.
 */
export function unetShape({ channels, multipliers, imageSize }: UnetConfig): number[] {
  const meanChannels = channels * multipliers.reduce((sum, one) => sum + one, 0) / multipliers.length;
  return [meanChannels ** 2, imageSize];
}
