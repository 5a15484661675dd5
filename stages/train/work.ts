import type { NetworkFacts } from "../../artifacts/facts.ts";
import { BUILTIN_NETWORK } from "../../diffusion/networks.ts";
import { isOwn } from "../../schemas/definitions.ts";

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
 * Returns the facts that forecasts of so many forward passes are based on, in batches of so many images.
 *
 * @param network must have no problems. Nothing is returned if the network or the number of passes is unknown, or the
 * network is the user's
 * @param held number of `images` that are computed at once, each `together` times, of `parts` of a batch, and of
 * `averages` of the weights if the process trains them
 */
export function networkWork(
  network: NetworkFacts | undefined,
  passes: number | undefined,
  batch: number,
  { images = batch, together = 1, parts = 1, averages }: {
    readonly images?: number;
    readonly together?: number;
    readonly parts?: number;
    readonly averages?: number;
  } = {},
) {
  if (network === undefined || passes === undefined || isOwn(network)) return {};
  const perImage = together * HELD_ACTIVATIONS[averages === undefined ? "inference" : "training"] *
    BUILTIN_NETWORK.activationCount(network);
  const bytesWith = (images: number, inParts: boolean) => {
    const fixed = valuesPerParameter(averages, inParts) * BUILTIN_NETWORK.parameterCount(network);
    return Math.round(BASE_BYTES + 4 * (fixed + perImage * images));
  };
  const perPass = BUILTIN_NETWORK.forwardGflop(network);
  const probed = Math.max(1, Math.min(MOST_PROBE_IMAGES, Math.floor(PROBE_STEP_GFLOP / (TRAIN_WORK_FACTOR * perPass))));
  const entry = import.meta.resolve("./probe.ts");
  const stepGflop = probed * TRAIN_WORK_FACTOR * perPass;
  return {
    workGflop: passes * perPass,
    workShape: [...BUILTIN_NETWORK.shape(network), batch],
    probe: { entry, params: { network, images: probed }, stepGflop },
    memoryBytes: bytesWith(images, parts > 1),
    // A smaller training computes the same batch in parts.
    batchMemory: { first: bytesWith(1, averages !== undefined && batch > 1), further: 4 * perImage },
  };
}
