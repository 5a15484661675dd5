import type { PureFunction, Signature } from "../tensor/device.ts";
import { batchGradients, batchSignature, type GradientOptions } from "./gradient_step.ts";
import type { Network } from "./network.ts";
import { stateSignature, updateState } from "./update_step.ts";

/**
 * One training step (Ho et al. 2020, algorithm 1, with Adam, global-norm clipping and the moving average) as one
 * function.
 *
 * Inputs and their shapes: `trainStepSignature`. x0 is in [-1, 1]; `stepFigures` are taken at each
 * image's t; the scalars come from `adamBiasCorrections` and `emaDecayAt`; `dropoutKey` is another pair of integers at
 * each step; `importance` multiplies each image's loss. Outputs: the next `params`, `m`, `v`, `ema` [P]; `loss` [], the
 * batch mean before the update; `gradNorm` [], before clipping; `lossPerImage` [B], without the importance.
 */
export function makeTrainStep(network: Network, options: GradientOptions): PureFunction {
  return (inputs) => {
    const { grads, ...losses } = batchGradients(inputs, network, options);
    return { ...updateState(inputs, grads, network), ...losses };
  };
}

/** Inputs of `makeTrainStep` with the same network and options for batches of `batch` images. */
export function trainStepSignature(network: Network, batch: number, options: GradientOptions): Signature {
  return { ...stateSignature(network), ...batchSignature(network, batch, options) };
}
