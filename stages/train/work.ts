import type { NetworkFacts } from "../../artifacts/facts.ts";
import { BUILTIN_NETWORK } from "../../diffusion/networks.ts";
import { isOwn } from "../../schemas/definitions.ts";

/** A training step takes the forward pass, and about twice as much for the gradients of weights and activations. */
export const TRAIN_WORK_FACTOR = 3;

/** Arithmetic of one step of a probe: about a second on two cores. */
const PROBE_STEP_GFLOP = 100;
const MOST_PROBE_IMAGES = 128;

/** Memory of a stage's process on a CPU before it has any tensors. */
const BASE_BYTES = 200e6;

/**
 * The maximum number of float32 values that a process holds: for each parameter, and for each value that a forward pass
 * computes for one image of the batch. Training holds weights, moments, averages and gradients, and keeps activations
 * for the gradient; inference keeps only values that later layers read. docs/performance.md has the measurements.
 */
const MEMORY_FACTORS = {
  training: { parameters: 6.4, activations: 1 },
  inference: { parameters: 2, activations: 0.2 },
};

/** The same for each average besides the first, which are held like the five vectors of a training. */
const FURTHER_AVERAGE = MEMORY_FACTORS.training.parameters / 5;

/**
 * Returns the facts that forecasts of so many forward passes are based on, in batches of so many images.
 *
 * @param network must have no problems. Nothing is returned if the network or the number of passes is unknown, or the
 * network is the user's
 * @param held memory of the process: `images` in a batch, other `data` in bytes, and `averages` besides the first
 */
export function networkWork(
  network: NetworkFacts | undefined,
  passes: number | undefined,
  batch: number,
  { use = "inference", images = batch, data = 0, averages = 0 }: {
    readonly use?: keyof typeof MEMORY_FACTORS;
    readonly images?: number;
    readonly data?: number;
    readonly averages?: number;
  } = {},
) {
  if (network === undefined || passes === undefined || isOwn(network)) return {};
  const { parameters, activations } = MEMORY_FACTORS[use];
  const numbers = (parameters + FURTHER_AVERAGE * averages) * BUILTIN_NETWORK.parameterCount(network) +
    activations * images * BUILTIN_NETWORK.activationCount(network);
  const perPass = BUILTIN_NETWORK.forwardGflop(network);
  const perImage = TRAIN_WORK_FACTOR * perPass;
  const probed = Math.max(1, Math.min(MOST_PROBE_IMAGES, Math.floor(PROBE_STEP_GFLOP / perImage)));
  const entry = import.meta.resolve("./probe.ts");
  const probe = { entry, params: { network, images: probed }, stepGflop: probed * perImage };
  const memoryBytes = Math.round(BASE_BYTES + data + 4 * numbers);
  return { workGflop: passes * perPass, workShape: [...BUILTIN_NETWORK.shape(network), batch], probe, memoryBytes };
}
