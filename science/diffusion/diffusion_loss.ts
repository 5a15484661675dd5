import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, Signature, TensorSpec } from "../tensor/device.ts";
import { keepMask } from "../tensor/random/keep_mask.ts";
import type { LossInputs } from "./define.ts";
import { binsOf } from "./likelihood_float64.ts";
import { BYTES } from "./normalizer.ts";
import { mixed, perImage, stopGradient, trainingLossPerImage } from "./loss.ts";
import { figureInputs, freeLoss, type LossOptions, stepFigures, usesContinuousTimes } from "./loss_tables.ts";
import { classSignature, type Network, predict, unpackTensors } from "./network.ts";
import type { TrainingLoss } from "./gradient_step.ts";

export interface DiffusionOptions extends LossOptions {
  /** Probability that an activation is dropped (see `keepMask`), in [0, 1). Default 0: no dropout. */
  readonly dropout?: number;
  /** The distribution of training timesteps: see `lossAwareTimesteps`. Default `uniform`. */
  readonly timestepSampler?: "uniform" | "loss-aware";
}

type BatchTensors = Record<"x0" | "noise" | "t", tf.Tensor>;

/**
 * Returns the inputs that make a batch: `x0` and `noise` [B, H, W, C], `t` [B], `stepFigures` at each image's t [B],
 * `dropoutKey` [2] with dropout, `importance` [B] with loss-aware timesteps, `classes` [B, classes + 1] for
 * class-conditional networks, and `augmentation` [B, sizes.augmentation] for networks that are told of augmentations.
 */
function batchSignature({ sizes }: Network, batch: number, options: DiffusionOptions): Signature {
  const { dropout = 0 } = options;
  const images = float32([batch, sizes.height, sizes.width, sizes.channels]);
  return {
    x0: images,
    t: { shape: [batch], dtype: usesContinuousTimes(options) ? "float32" : "int32" },
    noise: images,
    ...Object.fromEntries(Object.keys(stepFigures(options)).map((name) => [name, float32([batch])])),
    ...(dropout > 0 ? { dropoutKey: { shape: [2], dtype: "int32" } } : {}),
    ...(options.timestepSampler === "loss-aware" ? { importance: float32([batch]) } : {}),
    ...classSignature(sizes, batch),
    ...(sizes.augmentation === undefined ? {} : { augmentation: float32([batch, sizes.augmentation]) }),
  };
}

/**
 * Returns the loss of each image of a batch, [B] (Ho et al. 2020, algorithm 1, line 5), as a function of the weights.
 *
 * @param inputs those of `batchSignature`, and the averaged weights `ema` [P] for a user-defined loss
 */
function lossOfBatch(
  inputs: NamedTensors,
  network: Network,
  options: DiffusionOptions,
): (weights: Readonly<NamedTensors>) => tf.Tensor {
  const { x0, noise, t } = inputs as BatchTensors;
  const { dropout: rate = 0 } = options;
  const [labels, augmentation] = [inputs["classes"], inputs["augmentation"]];
  const broadcast = (name: string) => perImage(inputs[name]!, x0);
  const [signal, noiseLevel] = [broadcast("sqrtAlphasCumprod"), broadcast("sqrtOneMinusAlphasCumprod")];
  // A sample of q(x_t | x_0), Ho et al. 2020 eq. 4.
  const xt = mixed(signal, x0, noiseLevel, noise);
  const ask = (weights: Readonly<NamedTensors>, x: tf.Tensor, t: tf.Tensor) => {
    // Calls of dropout are numbered, so that each has its own mask, the same at each evaluation of the network.
    let site = 0;
    const mask = (h: tf.Tensor) => keepMask(inputs["dropoutKey"]!, h.shape, { site: site++, rate });
    const drop = (h: tf.Tensor) => rate > 0 ? tf.mul(h, mask(h)) : h;
    return network.forward({ weights, x, t, labels, augmentation, dropout: drop });
  };
  const { objective, form = BYTES } = options;
  const bins = binsOf(form);
  const free = freeLoss(objective);
  if (free === undefined) {
    return (weights) => trainingLossPerImage(ask(weights, xt, t), { ...inputs, x0, noise, xt }, bins);
  }
  const given = {
    ...{ x0, noise, xt, t, signal, noiseLevel, stopGradient },
    figures: Object.fromEntries(figureInputs(options).map(([name, input]) => [name, broadcast(input)])),
  };
  const averaged: LossInputs["predict"] = (x, t) =>
    stopGradient(predict(network, { weights: unpackTensors(inputs["ema"]!, network), x, t, labels, augmentation }));
  return (weights) =>
    free.loss({
      ...given,
      predict: (x, t, options) => options?.averaged === true ? averaged(x, t) : ask(weights, x, t),
    }, objective.params);
}

/** Returns the loss of a network that learns to undo noise, as a training lowers it. */
export function diffusionLoss(network: Network, options: DiffusionOptions): TrainingLoss {
  return {
    ...network,
    readsAverage: freeLoss(options.objective) !== undefined,
    batchSignature: (batch) => batchSignature(network, batch, options),
    of: (inputs) => lossOfBatch(inputs, network, options),
  };
}

function float32(shape: number[]): TensorSpec {
  return { shape, dtype: "float32" };
}
