import { z } from "zod";
import { definedOnly } from "../../../std/defined_only.ts";
import type { DefinitionProblem, NetworkSizes } from "../define.ts";

export const upTo = (max: number) => z.int().min(1).max(max);

/** Details of all normalisations of a network: absent ones are as in Ho et al.'s code. */
export const normDetails = {
  /** `norm_num_groups` */
  groups: upTo(4096).exactOptional().describe(
    "Groups of each normalisation; default: 32, fewer for layers of less than 128 channels",
  ),
  /** `norm_eps` */
  normEpsilon: z.number().positive().max(0.1).exactOptional().describe(
    "Added to each variance of a normalisation; default: 1e-6",
  ),
};

/**
 * Details of a U-Net that leave its parameters' shapes as they are. They have no defaults, so that networks without
 * them keep their keys and records: an absent detail is as in Ho et al.'s code. Each has the name of its field in a
 * `UNet2DModel` of diffusers beside it.
 */
const details = {
  ...normDetails,
  /** `attention_head_dim` */
  headWidth: upTo(4096).exactOptional().describe("Channels of an attention head; default: one head of all channels"),
  /** `freq_shift` */
  frequencyShift: z.literal([0, 1]).exactOptional().describe(
    "Frequencies of the time embedding: 10000^(-i / (n - frequencyShift)), i < n; default: 1",
  ),
  /** `flip_sin_to_cos` */
  cosinesFirst: z.boolean().exactOptional().describe(
    "Order of the time embedding: cosines, then sines; default: false",
  ),
  /** `downsample_padding` */
  downsamplePadding: z.literal([0, 1]).exactOptional().describe(
    "Padding where the resolution halves: 1 at the top and left, 0 at the bottom and right; default: 0",
  ),
};

/** Params of the U-Net of Ho et al. 2020, appendix B. */
export const unetParams = z.strictObject({
  channels: upTo(4096).default(128).describe("Width of the first level"),
  multipliers: z.array(upTo(64)).min(1).max(8).default([1, 2, 2, 2]).describe(
    "Width of each level, as a multiple of `channels`",
  ),
  blocks: upTo(16).default(2).describe("Residual blocks per level"),
  attention: z.array(upTo(4096)).max(8).default([16]).describe("Resolutions with self-attention"),
  ...details,
});

const size = z.int().min(1);

/** A U-Net as a checkpoint describes it; an imported one may be larger than the params allow. */
export const unetRecord = z.strictObject({
  /** Height of the images, and their width if there is no `imageWidth`. */
  imageSize: size,
  imageWidth: size.exactOptional(),
  inChannels: size,
  outChannels: size,
  /** Channels of the first convolution; every level has a multiple of it. */
  channels: size,
  /** Width factors of the levels of resolution; the resolution halves from one level to the next. */
  multipliers: z.array(size).max(32).readonly(),
  /** Number of residual blocks per level on the down path; the up path has one more. */
  blocks: size.max(1_000),
  /**
   * Resolutions (not levels) whose residual blocks are followed by self-attention. The middle always has
   * self-attention.
   */
  attention: z.array(size).readonly(),
  /**
   * Number of classes of a class-conditional network, which has one more, "none", after them. Absent: unconditional.
   */
  classes: size.exactOptional(),
  /** Length of the vector that tells of augmentations. Absent: none. */
  augmentation: size.exactOptional(),
  ...details,
});

/** Names of the details, in which networks with the same shapes may differ. */
export const UNET_DETAILS = Object.keys(details) as readonly (keyof typeof details)[];

/** The sizes of a U-Net as in Ho et al. 2020 (appendix B; hojonathanho/diffusion, `unet.py`). */
export type UnetConfig = Readonly<z.output<typeof unetRecord>>;

type UnetParams = z.output<typeof unetParams>;

/** Returns the U-Net of given params for images of a given size. */
export function unetConfig({ height, width, channels, ...told }: NetworkSizes, params: UnetParams): UnetConfig {
  const wide = width === height ? {} : { imageWidth: width };
  return { imageSize: height, ...wide, inChannels: channels, ...params, ...told };
}

/** Returns the params of a U-Net with the same levels for images of another size. */
export function unetParamsOf(config: UnetConfig, { height }: Pick<NetworkSizes, "height">): UnetParams {
  const { imageSize, imageWidth: _____, multipliers, attention, ...others } = config;
  const { inChannels: _, outChannels: __, classes: ___, augmentation: ____, ...params } = others;
  const resized = attention.map((resolution) => resolution * height / imageSize);
  return { ...params, multipliers: [...multipliers], attention: resized };
}

/** Returns the image size, channels and classes that a U-Net is built for. */
export function unetSizes(
  { imageSize: height, imageWidth: width = height, inChannels, outChannels, classes, augmentation }: UnetConfig,
): NetworkSizes {
  return { height, width, channels: inChannels, outChannels, ...definedOnly({ classes, augmentation }) };
}

/** A problem with one field: got and wanted. */
type UnetProblem = Pick<DefinitionProblem, "got" | "wanted"> & { readonly field: keyof UnetConfig };

/**
 * Returns all problems of a configuration, each with the values that work; empty if a network can be built from it. The
 * schemas of params and files already check that sizes are integers.
 */
export function validateUnetConfig(config: UnetConfig): UnetProblem[] {
  const problems: UnetProblem[] = [];
  const report = (field: keyof UnetConfig, got: unknown, wanted: string) =>
    problems.push({ field, got: `${got}`, wanted });

  // An imported network counts "none" as one of its rows, and may have no other.
  if (config.classes === 0) report("classes", 0, "an integer >= 1");
  // The time embedding is half sines and half cosines, with frequencies spaced over half - 1 intervals.
  if (config.channels % 2 !== 0 || config.channels < 4) {
    report("channels", config.channels, "an even integer >= 4 (half sines, half cosines of the timestep)");
  }
  // Every normalised width is a multiple of the first.
  const { groups = 1, headWidth = 1 } = config;
  if (config.channels % groups !== 0) report("groups", groups, `a divisor of channels, ${config.channels}`);
  const attended = attendedWidths(config);
  if (attended.some((width) => width % headWidth !== 0)) {
    report("headWidth", headWidth, `a divisor of the widths with attention: ${attended.join(", ")}`);
  }
  const levels = config.multipliers.length;
  if (levels === 0) report("multipliers", "none", "one for each level of resolution");
  const divisor = 2 ** Math.max(0, levels - 1);
  const { imageSize, imageWidth = imageSize } = config;
  const uneven = [imageSize, imageWidth].find((side) => side % divisor !== 0);
  if (uneven !== undefined) report("imageSize", uneven, wantedSize(uneven, levels));
  else {
    const resolutions = resolutionsOf(config);
    const absent = config.attention.filter((resolution) => !resolutions.includes(resolution));
    if (levels > 0 && absent.length > 0) {
      report("attention", absent.join(", "), `resolutions of this network: ${resolutions.join(", ")}`);
    }
  }
  return problems;
}

/**
 * Returns the problems of a U-Net of given params with images of a given size. A problem of the images has an empty
 * param.
 */
export function checkUnet(sizes: NetworkSizes, params: UnetParams): DefinitionProblem[] {
  const { height, width, channels } = sizes;
  return validateUnetConfig(unetConfig(sizes, params)).map(({ field, ...said }) => {
    // The user cannot change the image size, but can change the number of levels that halve it.
    const param = field === "imageSize" ? "multipliers" : field;
    const message = `the network does not fit images of ${height}x${width}x${channels}: model.${param}`;
    const fix = "give signals one level, multipliers: [1], as signals.yaml does; and points a network of your own, " +
      "model: { uses: ./points_mlp.ts }, as points.yaml does";
    const isFlat = field === "imageSize" && Math.min(height, width) === 1;
    return { param: [param], message, ...said, ...isFlat && { wanted: "two sides that halve", fix } };
  });
}

/** Returns the resolution of each level, by its height, from that of the images downwards. */
export function resolutionsOf(config: UnetConfig): number[] {
  return config.multipliers.map((_, level) => config.imageSize / 2 ** level);
}

/** Returns the number of pixels at a resolution. */
export function pixelsAt(resolution: number, { imageSize, imageWidth = imageSize }: UnetConfig): number {
  return resolution ** 2 * imageWidth / imageSize;
}

/** Returns the widths of the layers with self-attention, that of the middle last. */
export function attendedWidths(config: UnetConfig): number[] {
  const resolutions = resolutionsOf(config);
  return config.multipliers.filter((_, level, { length }) =>
    level === length - 1 || config.attention.includes(resolutions[level]!)
  ).map((multiplier) => multiplier * config.channels);
}

/** @throws RangeError that lists every problem of a configuration */
export function assertNone(
  what: string,
  problems: readonly (Pick<UnetProblem, "got" | "wanted"> & { field: string })[],
) {
  const listed = problems.map(({ field, got, wanted }) => `${field}: got ${got}, wanted ${wanted}`);
  if (problems.length > 0) throw new RangeError(`${what} configuration: ${listed.join("; ")}`);
}

/** Says which sides of images a network takes whose levels halve them. */
export function wantedSize(size: number, levels: number): string {
  const divisor = 2 ** (levels - 1);
  const below = Math.floor(size / divisor) * divisor;
  const sizes = below > 0 ? `${below} or ${below + divisor}` : `${divisor}`;
  const halvings = Math.log2(size & -size);
  return `a multiple of ${divisor} for ${levels} levels, such as ${sizes}; ${size} works with at most ` +
    `${halvings + 1} ${halvings === 0 ? "level" : "levels"}`;
}

/** Ho et al. use 32 groups everywhere; their narrowest layer has 128 channels, four to a group. */
const MAX_GROUPS = 32;
const MIN_GROUP_CHANNELS = 4;

/**
 * Returns the number of groups for a width: the largest divisor of `channels` that is at most 32 and leaves at least
 * four channels in a group. It is the paper's 32 for every width the paper has.
 *
 * Narrow networks need fewer groups rather than smaller ones. The timestep enters a residual block as one number per
 * channel, just before a normalisation: if a group were a single channel, that number would be subtracted again and the
 * network would not know t. (NVlabs/edm bounds its groups in the same way.)
 */
export function groupsFor(channels: number): number {
  let groups = Math.max(1, Math.min(MAX_GROUPS, Math.floor(channels / MIN_GROUP_CHANNELS)));
  while (channels % groups !== 0) groups--;
  return groups;
}
