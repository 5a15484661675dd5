import { type AutoencoderFacts, hasSize, type ImageFacts, type NetworkFacts } from "../../artifacts/facts.ts";
import type { CheckResult } from "../../engine/contract/stage.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import { countOf } from "../../science/diffusion/layer_parameters.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { isOwn, type OwnParam } from "../../schemas/definitions.ts";

/** A training step takes the forward pass, and about twice as much for the gradients of weights and activations. */
export const TRAIN_WORK_FACTOR = 3;

/** Arithmetic of one step of a probe: about a second on two cores. */
const PROBE_STEP_GFLOP = 100;
const MOST_PROBE_IMAGES = 128;

/**
 * Memory of a stage's process on a CPU before it has any tensors. Images are not counted: a process keeps at most 64
 * MiB of a set.
 */
const BASE_BYTES = 200e6;

/**
 * Returns the maximum number of float32 values that a process holds for each parameter, besides those of a batch.
 * docs/performance.md has the measurements.
 *
 * @param averages number of averages of the weights of a training; undefined for inference
 * @param inParts true if gradients are accumulated over parts of a batch
 */
function valuesPerParameter(averages: number | undefined, inParts: boolean): number {
  // The weights, and what the network makes of them, such as transformed filters.
  if (averages === undefined) return 2;
  // Weights, Adam's two moments and the averages; once more as the copy of them that a saved state or a checkpoint is
  // written from, which the device's memory for activations outlives.
  const vectors = 2 * (3 + averages);
  // Gradients and transformed filters; of parts also their gradients' sum and the weights that parts read.
  return vectors + (inParts ? 5.4 : 2.4);
}

/**
 * Values held for each value that a forward pass computes for an image. Training keeps activations for the gradient;
 * inference keeps only values that later layers read.
 */
const HELD_ACTIVATIONS = { training: 1, inference: 0.2 };
/**
 * The same for an autoencoder. Its layers of full resolution come last too, so that a training holds their gradients
 * beside all activations, and an inference no values of the way down.
 */
const HELD_OF_AUTOENCODER = { training: 1.45, inference: 0.14 };

type Work = Pick<CheckResult, "workGflop" | "workShape" | "probe" | "memoryBytes" | "batchMemory" | "diskBytes">;

interface Held {
  /** Number of images that are computed at once. Default: the batch. */
  readonly images?: number;
  /** How often each of them is computed at once. Default 1. */
  readonly together?: number;
  /** Number of parts of a batch. Default 1. */
  readonly parts?: number;
  /** Number of averages of the weights, if the process trains them. */
  readonly averages?: number | undefined;
  /** The facts of another network that the process holds and uses as well. */
  readonly besides?: Work;
}

/**
 * Returns the memory that passes in batches of so many images need.
 * @param cost of one image @param held values for each of its activations
 */
function memoryOf(
  cost: Readonly<Record<"parameters" | "activations", number>>,
  held: typeof HELD_ACTIVATIONS,
  batch: number,
  { images = batch, together = 1, parts = 1, averages, besides: { memoryBytes: more = BASE_BYTES } = {} }: Held,
) {
  const perImage = together * held[averages === undefined ? "inference" : "training"] * cost.activations;
  const bytesWith = (images: number, inParts: boolean) => {
    const fixed = valuesPerParameter(averages, inParts) * cost.parameters;
    return Math.round(more + 4 * (fixed + perImage * images));
  };
  return {
    memoryBytes: bytesWith(images, parts > 1),
    // Raw weights, and the averages.
    ...averages !== undefined && { diskBytes: 4 * (1 + averages) * cost.parameters },
    // A smaller training computes the same batch in parts.
    batchMemory: { first: bytesWith(1, averages !== undefined && batch > 1), further: 4 * perImage },
  };
}

/**
 * Returns the facts that forecasts of so many forward passes are based on, in batches of so many images.
 *
 * @param network must have no problems. Nothing is returned if the network or the number of passes is unknown, or the
 * network is the user's
 */
export function networkWork(
  network: NetworkFacts | undefined,
  passes: number | undefined,
  batch: number,
  held: Held = {},
): Work {
  if (network === undefined || passes === undefined || isOwn(network)) return {};
  const parameters = countOf(BUILTIN_NETWORK.parameters(network));
  const activations = BUILTIN_NETWORK.activationCount(network);
  const perPass = BUILTIN_NETWORK.forwardGflop(network);
  return {
    workGflop: passes * perPass + (held.besides?.workGflop ?? 0),
    workShape: [...BUILTIN_NETWORK.shape(network), batch],
    probe: probeOf(network),
    ...memoryOf({ parameters, activations }, HELD_ACTIVATIONS, batch, held),
  };
}

/** Returns the probe that trains a network for a few steps, to measure the speed of this machine. */
function probeOf(network: Exclude<NetworkFacts, OwnParam>) {
  const perImage = TRAIN_WORK_FACTOR * BUILTIN_NETWORK.forwardGflop(network);
  const images = Math.max(1, Math.min(MOST_PROBE_IMAGES, Math.floor(PROBE_STEP_GFLOP / perImage)));
  return { entry: import.meta.resolve("../train/probe.ts"), params: { network, images }, stepGflop: images * perImage };
}

/** Returns height and width of the images that a built-in autoencoder makes of latents, if both are known. */
export function decodedSize(model: AutoencoderFacts["autoencoder"], latents: ImageFacts) {
  const factor = model && !isOwn(model) && BUILTIN_AUTOENCODER.downsamplingOf(model);
  return factor && hasSize(latents) ? { height: factor * latents.height, width: factor * latents.width } : {};
}

/**
 * Returns the facts that forecasts of a built-in autoencoder are based on. The probe is of a U-Net with the same blocks
 * at the same resolutions.
 *
 * @param size of the images; nothing is returned if it, the autoencoder or the number of passes is unknown
 * @param halves that each pass goes through
 */
export function autoencoderWork(
  model: AutoencoderFacts["autoencoder"],
  size: ImageFacts | undefined,
  { halves, passes, batch, ...held }: Omit<Held, "together" | "besides"> & {
    readonly halves?: readonly ("encoder" | "decoder")[];
    readonly passes: number | undefined;
    readonly batch: number;
  },
): Work {
  if (model === undefined || isOwn(model) || passes === undefined || !hasSize(size)) return {};
  const cost = BUILTIN_AUTOENCODER.work(model, size, halves);
  const { channels, multipliers, blocks } = model;
  const { height, width, channels: outChannels } = size;
  const alike = { channels, multipliers: [...multipliers], blocks, attention: [] };
  const meanChannels = channels * multipliers.reduce((sum, one) => sum + one, 0) / multipliers.length;
  return {
    workGflop: passes * cost.gflop,
    workShape: [meanChannels ** 2, size.height * size.width, batch],
    probe: probeOf(BUILTIN_NETWORK.recordOf({ height, width, channels: outChannels, outChannels }, alike)),
    ...memoryOf(cost, HELD_OF_AUTOENCODER, batch, held),
  };
}
