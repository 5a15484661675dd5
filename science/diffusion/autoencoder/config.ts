import { z } from "zod";
import type { DefinitionProblem, ImageSizes } from "../define.ts";
import { normDetails, upTo, wantedSize } from "../unet/config.ts";

/** Most levels of resolution: the sides of latents are then 1/128 of those of their images. */
const MAX_LEVELS = 8;
const kind = z.enum(["kl", "vq"]);

/** Params of the autoencoders of Rombach et al. 2022, appendix G. Details have no defaults, as those of the U-Net. */
export const autoencoderParams = z.strictObject({
  kind: kind.default("kl").describe("Latents with a Gaussian each (kl), or of a codebook (vq)"),
  channels: upTo(4096).default(128).describe("Width of the first level"),
  multipliers: z.array(upTo(64)).min(1).max(MAX_LEVELS).default([1, 2, 4]).describe(
    "Width of each level, as a multiple of `channels`",
  ),
  blocks: upTo(16).default(2).describe("Residual blocks per level of the encoder; the decoder has one more"),
  attention: z.array(z.int().min(0).max(MAX_LEVELS - 1)).max(MAX_LEVELS).default([]).describe(
    "Levels with self-attention, from 0, which has the images' resolution; the lowest resolution always has it once",
  ),
  latentChannels: upTo(4096).default(3).describe("Channels between encoder and decoder, z_channels of LDM"),
  embedChannels: upTo(4096).exactOptional().describe(
    "Channels of the latents, embed_dim of LDM; default: latentChannels",
  ),
  codes: upTo(2 ** 20).exactOptional().describe("Length of the codebook; of vq alone, which needs it"),
  ...normDetails,
});

const size = z.int().min(1);

/** An autoencoder as its artifact describes it; an imported one may be larger than the params allow. */
export const autoencoderRecord = z.strictObject({
  kind,
  /** Channels of the images. */
  imageChannels: size,
  channels: size,
  multipliers: z.array(size).max(32).readonly(),
  blocks: size.max(1_000),
  attention: z.array(z.int().min(0)).readonly(),
  latentChannels: size,
  embedChannels: size.exactOptional(),
  codes: size.exactOptional(),
  ...normDetails,
});

/** The sizes of an autoencoder, which takes images of any height and width that its levels halve. */
export type AutoencoderConfig = Readonly<z.output<typeof autoencoderRecord>>;

type AutoencoderParams = Omit<AutoencoderConfig, "imageChannels">;

/** Returns the autoencoder of given params for images of a given size. */
export function autoencoderConfig({ channels }: ImageSizes, params: AutoencoderParams): AutoencoderConfig {
  return { imageChannels: channels, ...params };
}

/** Returns the number of pixels along a side of an image for each along that of its latents. */
export function downsamplingOf({ multipliers }: Pick<AutoencoderConfig, "multipliers">): number {
  return 2 ** (multipliers.length - 1);
}

/** Returns the size of the latents of images of a given size. */
export function latentSizes(config: AutoencoderConfig, { height, width }: ImageSizes): ImageSizes {
  const { latentChannels, embedChannels = latentChannels } = config;
  const factor = downsamplingOf(config);
  return { height: height / factor, width: width / factor, channels: embedChannels };
}

/** A problem with one field: got and wanted. */
type ConfigProblem = Pick<DefinitionProblem, "got" | "wanted"> & { readonly field: keyof AutoencoderParams };

/** Returns all problems of a configuration, each with the values that work; empty if an autoencoder can be built. */
export function validateAutoencoder({ kind, channels, multipliers, attention, codes, groups = 1 }: AutoencoderConfig) {
  const problems: ConfigProblem[] = [];
  const report = (field: ConfigProblem["field"], got: unknown, wanted: string) =>
    problems.push({ field, got: `${got}`, wanted });
  if ((codes === undefined) === (kind === "vq")) {
    report("codes", codes ?? "none", kind === "vq" ? "the length of the codebook, such as 512" : "none for kind kl");
  }
  if (channels % groups !== 0) report("groups", groups, `a divisor of channels, ${channels}`);
  const levels = multipliers.length;
  if (levels === 0) report("multipliers", "none", "one for each level of resolution");
  const absent = attention.filter((level) => level >= levels);
  if (absent.length > 0) report("attention", absent.join(", "), `levels from 0 to ${levels - 1}`);
  return problems;
}

/** Returns the problems of an autoencoder of given params with images of a given size. */
export function checkAutoencoder(sizes: ImageSizes, params: AutoencoderParams): DefinitionProblem[] {
  const { height, width, channels } = sizes;
  const config = autoencoderConfig(sizes, params);
  const levels = config.multipliers.length;
  const uneven = [height, width].find((side) => side % 2 ** (levels - 1) !== 0);
  const problems = validateAutoencoder(config);
  // The user cannot change the size of the images, but can change the number of levels that halve it.
  if (uneven !== undefined) {
    problems.push({ field: "multipliers", got: `${uneven}`, wanted: wantedSize(uneven, levels) });
  }
  return problems.map(({ field, ...said }) => ({
    param: [field],
    message: `the autoencoder does not fit images of ${height}x${width}x${channels}: model.${field}`,
    ...said,
  }));
}
