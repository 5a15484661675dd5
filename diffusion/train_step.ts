import type { PureFunction, Signature } from "../tensor/device.ts";
import { batchGradients, batchSignature, type GradientOptions } from "./gradient_step.ts";
import type { UnetConfig } from "./unet/config.ts";
import { stateSignature, updateState } from "./update_step.ts";

/**
 * One training step (Ho et al. 2020, algorithm 1, with Adam, global-norm clipping and the moving average) as one
 * function.
 *
 * Inputs and their shapes: `trainStepSignature`. x0 is in [-1, 1]; the tables (`trainTables`) are gathered at each
 * image's t; the scalars come from `adamBiasCorrections` and `emaDecayAt`; `dropoutKey` is another pair of integers at
 * each step; `importance` multiplies each image's loss. Outputs: the next `params`, `m`, `v`, `ema` [P]; `loss` [], the
 * batch mean before the update; `gradNorm` [], before clipping; `lossPerImage` [B], without the importance.
 */
export function makeTrainStep(config: UnetConfig, options: GradientOptions = {}): PureFunction {
  return (inputs) => {
    const { grads, ...losses } = batchGradients(inputs, config, options);
    return { ...updateState(inputs, grads, config), ...losses };
  };
}

/** Inputs of `makeTrainStep` with the same configuration and options for batches of `batch` images. */
export function trainStepSignature(config: UnetConfig, batch: number, options: GradientOptions = {}): Signature {
  return { ...stateSignature(config), ...batchSignature(config, batch, options) };
}
