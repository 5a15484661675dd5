import { z } from "zod";
import type { Facts } from "../contract/stage.ts";
import type { BUILTIN_NETWORK } from "../diffusion/networks.ts";
import type { ObjectiveName } from "../diffusion/objectives.ts";
import type { OwnParam } from "../schemas/definitions.ts";

/**
 * What is known of artifacts before they exist. Facts are absent where an artifact comes from a stage that states none,
 * such as a custom one; checks are then left to the run.
 */
const size = z.int().min(1);

const contents = {
  height: size,
  width: size,
  channels: size,
  /** Classes of images or of a class-conditional network; null for none, absent where only the run finds out. */
  classes: size.nullish(),
  classNames: z.array(z.string()).readonly().optional(),
};

/** `count` is absent where only the run finds out, as with a folder of images. */
const imageFactsSchema = z.object({ ...contents, count: size.optional() });

const scheduleFactsSchema = z.object({
  timesteps: size,
  betas: z.string(),
  /** Whether x_T holds nothing of x_0, so that noise predicted at T - 1 cannot give x_0. */
  zeroTerminalSnr: z.boolean().default(false),
  /** Whether signal^2 + noise^2 = 1, so that there are tables of a chain. */
  variancePreserving: z.boolean().default(true),
  /** Whether the path says which times a training draws. */
  draws: z.boolean().optional(),
});

const checkpointFactsSchema = z.object({
  ...contents,
  timesteps: size.optional(),
  /** Whether the network also gives the variance of the reverse step. */
  learnedVariance: z.boolean().default(false),
  network: z.custom<NetworkFacts>().optional(),
  objective: z.custom<ObjectiveName | OwnParam>().optional(),
  /** As in a schedule. */
  variancePreserving: z.boolean().default(true),
  /** File name of the sampler that alone can use the network. */
  ownSampler: z.string().optional(),
});

/** What a network is: the record of one that comes with the toolkit, or the file of the user's own. */
export type NetworkFacts = z.output<typeof BUILTIN_NETWORK.record> | OwnParam;

export type ImageFacts = z.output<typeof imageFactsSchema>;
export type ScheduleFacts = z.output<typeof scheduleFactsSchema>;
export type CheckpointFacts = z.output<typeof checkpointFactsSchema>;

const reader = <S extends z.ZodType>(schema: S) => (facts: Facts | undefined) => schema.safeParse(facts).data;

export const readImageFacts = reader(imageFactsSchema);
export const readScheduleFacts = reader(scheduleFactsSchema);
export const readCheckpointFacts = reader(checkpointFactsSchema);

export type ImageSize = Pick<ImageFacts, "height" | "width" | "channels">;

/** Height, width and channels as people write them, e.g. `28x28x1`. */
export function sizeText(images: ImageSize) {
  return `${images.height}x${images.width}x${images.channels}`;
}
