import { resolutionsOf, type UnetConfig } from "./config.ts";
import { unetParameterSpecs } from "./parameters.ts";
import { type BlockPlan, planUnet } from "./plan.ts";

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

export function parameterCount(config: UnetConfig): number {
  return unetParameterSpecs(config).reduce(
    (sum, { shape }) => sum + shape.reduce((size, length) => size * length, 1),
    0,
  );
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

/**
 * Numbers that the operations of a forward pass give for one image, about as many as its trace has. A gradient reads most of
 * them again.
 *
 * @param config must have no problems (see `validateUnetConfig`)
 */
export function activationCount(config: UnetConfig): number {
  const { down, middle, up } = planUnet(config);
  const resolutions = resolutionsOf(config);
  const last = resolutions.length - 1;
  const ofBlock = (pixels: number) => ({ inChannels, outChannels, attention }: BlockPlan) => {
    const attended = attention === undefined ? 0 : 14 * outChannels * pixels + 3 * pixels ** 2;
    return (6 * inChannels + 10 * outChannels) * pixels + attended;
  };
  const levels = [
    ...down.map((level, i) => ({ ...level, pixels: resolutions[i]! ** 2, scale: 1 / 2 })),
    { blocks: middle, channels: 0, pixels: resolutions[last]! ** 2, scale: 0 },
    ...up.map((level, i) => ({ ...level, pixels: resolutions[last - i]! ** 2, scale: 16 })),
  ];
  return levels.flatMap(({ blocks, channels, pixels, scale }, i) => [
    ...blocks.map(ofBlock(pixels)),
    // Convolutions that change the resolution; on the way up of what is enlarged before.
    i === last || i === levels.length - 1 ? 0 : channels * pixels * scale,
  ]).reduce((sum, one) => sum + one, 6 * config.channels * resolutions[0]! ** 2);
}
