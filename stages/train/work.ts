import type { NetworkFacts } from "../../artifacts/facts.ts";
import { BUILTIN_NETWORK } from "../../diffusion/networks.ts";
import { isOwn } from "../../schemas/definitions.ts";

/** A training step does the forward pass and about twice as much again for the gradients of weights and activations. */
export const TRAIN_WORK_FACTOR = 3;

/** Of one step of a probe: about a second on two cores. */
const PROBE_STEP_GFLOP = 100;
const MOST_PROBE_IMAGES = 128;

/**
 * What forecasts go by of so many forward passes, by batches of so many images.
 *
 * @param network must have no problems; nothing is known where it or the number of passes is not, or it is the user's own
 */
export function networkWork(network: NetworkFacts | undefined, passes: number | undefined, batch: number) {
  if (network === undefined || passes === undefined || isOwn(network)) return {};
  const perPass = BUILTIN_NETWORK.forwardGflop(network);
  const perImage = TRAIN_WORK_FACTOR * perPass;
  const images = Math.max(1, Math.min(MOST_PROBE_IMAGES, Math.floor(PROBE_STEP_GFLOP / perImage)));
  const entry = import.meta.resolve("./probe.ts");
  const probe = { entry, params: { network, images }, stepGflop: images * perImage };
  return { workGflop: passes * perPass, workShape: [...BUILTIN_NETWORK.shape(network), batch], probe };
}
