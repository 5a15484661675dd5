import { z } from "zod";
import type { Facts } from "../engine/contract/stage.ts";
import type { BUILTIN_AUTOENCODER } from "../science/diffusion/autoencoders.ts";
import type { BUILTIN_NETWORK } from "../science/diffusion/networks.ts";
import type { ObjectiveName } from "../science/diffusion/objectives.ts";
import type { OwnParam } from "../schemas/definitions.ts";

/**
 * Facts of artifacts that do not exist yet. An artifact has no facts if the stage that makes it states none, as a
 * custom stage may; its checks are then left to the run.
 */
const size = z.int().min(1);

const contents = {
  /** Type of the stored numbers; absent for uint8, null if only the run finds out. */
  dtype: z.enum(["uint8", "uint16", "float32"]).nullish(),
  /** Present for latents: the stage that trained their encoder, and its weights; true if that is not known. */
  latent: z.union([z.literal(true), z.object({ stage: z.string(), weights: z.string() })]).optional(),
  /** Digest of the encoder that made these latents; null for images that are none, absent before they exist. */
  encoder: z.string().nullish(),
  /** True if the numbers that networks see are not limited to [-1, 1], so that samples are not clipped. */
  unbounded: z.literal(true).optional(),
  /** Absent if only the run finds out, as with files of images that are not resized. */
  height: size.optional(),
  width: size.optional(),
  channels: size.optional(),
  /**
   * Number of classes of the images or of a class-conditional network; null without classes, absent if only the run
   * finds out.
   */
  classes: size.nullish(),
  classNames: z.array(z.string()).readonly().optional(),
};

/** Facts of a set of images. `count` is absent if only the run finds out, as with a folder of images. */
const imageFactsSchema = z.object({ ...contents, count: size.optional() });

const scheduleFactsSchema = z.object({
  timesteps: size,
  betas: z.string(),
  /** True if x_T holds nothing of x_0, so that noise predicted at T - 1 cannot give x_0. */
  zeroTerminalSnr: z.boolean().default(false),
  /** Signal divided by noise of x_T. */
  endRatio: z.number().optional().catch(undefined),
  /** True if signal^2 + noise^2 = 1, so that there are tables of a chain. */
  variancePreserving: z.boolean().default(true),
  /** True if the path defines its own distribution of training timesteps. */
  draws: z.boolean().optional(),
});

const checkpointFactsSchema = z.object({
  ...contents,
  timesteps: size.optional(),
  /** Name of the schedule. */
  betas: z.string().optional(),
  /** True if the network also predicts the variance of the reverse step. */
  learnedVariance: z.boolean().default(false),
  network: z.custom<NetworkFacts>().optional(),
  objective: z.custom<ObjectiveName | OwnParam>().optional(),
  /** As in `scheduleFactsSchema`. */
  variancePreserving: z.boolean().default(true),
  /** Names of averages besides `ema`. */
  averages: z.array(z.string()).readonly().default([]),
  /** File name of the only sampler that can use the network. */
  ownSampler: z.string().optional(),
});

const autoencoderFactsSchema = z.object({
  ...contents,
  /** The record of a built-in autoencoder, or the user's file and its params. */
  autoencoder: z.custom<z.output<typeof BUILTIN_AUTOENCODER.record> | OwnParam>().optional(),
  /** The stage that trains a built-in one: no other makes the same encoder. */
  stage: z.string().optional(),
  trained: z.literal(true).optional(),
  averages: z.array(z.string()).readonly().default([]),
});

/** Facts of metrics: the names of those that cover all images and timesteps. */
const metricsFactsSchema = z.object({ names: z.array(z.string()) });

/** A network: the record of a built-in one, or the user's file and its params. */
export type NetworkFacts = z.output<typeof BUILTIN_NETWORK.record> | OwnParam;

export type ImageFacts = z.output<typeof imageFactsSchema>;
export type ScheduleFacts = z.output<typeof scheduleFactsSchema>;
export type CheckpointFacts = z.output<typeof checkpointFactsSchema>;
export type AutoencoderFacts = z.output<typeof autoencoderFactsSchema>;

const reader = <S extends z.ZodType>(schema: S) => (facts: Facts | undefined) => schema.safeParse(facts).data;

export const readImageFacts = reader(imageFactsSchema);
export const readScheduleFacts = reader(scheduleFactsSchema);
export const readCheckpointFacts = reader(checkpointFactsSchema);
export const readAutoencoderFacts = reader(autoencoderFactsSchema);
export const readMetricsFacts = reader(metricsFactsSchema);

export type ImageSize = Readonly<Record<"height" | "width" | "channels", number>> & Pick<ImageFacts, "dtype">;

/** True if the size of the images is known before the run. */
export function hasSize<F extends ImageFacts>(facts: F | undefined): facts is F & ImageSize {
  return facts?.height !== undefined && facts.width !== undefined && facts.channels !== undefined;
}

/** Says what a set's stored values are, which only a set of the same values can be compared with. */
export function unitsText({ dtype, encoder }: Pick<ImageFacts, "dtype" | "encoder">): string {
  return `${dtype ?? "uint8"}${encoder ? `, latents of encoder ${encoder.slice(0, 12)}` : ""}`;
}

/** Returns how many numbers there are in so many images; 0 if only the run finds out. */
export function numbersIn(facts: ImageFacts | undefined, count = 0): number {
  return hasSize(facts) ? count * facts.height * facts.width * facts.channels : 0;
}

/** Formats height, width and channels, and the type of other numbers than bytes: `28x28x1`, `28x28x1 of uint16`. */
export function sizeText(images: ImageSize) {
  const { height, width, channels, dtype } = images;
  return `${height}x${width}x${channels}${(dtype ?? "uint8") === "uint8" ? "" : ` of ${dtype}`}`;
}

/** Returns the fact that numbers have no range, from how they are normalised. @param isFloat no range by itself */
export function unboundedFact(normalize: unknown, isFloat: boolean): Pick<ImageFacts, "unbounded"> {
  const isRange = typeof normalize === "object" && normalize !== null && "range" in normalize;
  return isRange || (normalize === undefined && !isFloat) ? {} : { unbounded: true };
}

/** Returns what is known of the encoder of images that exist, from the record of their encoder. */
export function latentFact(encoder: string | undefined): Pick<ImageFacts, "latent" | "encoder"> {
  return encoder === undefined ? { encoder: null } : { latent: true, encoder };
}
