import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import { qSample } from "./gaussian.ts";
import { classSignature } from "./model_output.ts";
import { trainingLossPerImage } from "./loss.ts";
import { type LossOptions, lossTableNames, STEP_TABLES } from "./loss_tables.ts";
import type { UnetConfig } from "./unet/config.ts";
import { countParameters, unetParameterSpecs } from "./unet/parameters.ts";
import { unet } from "./unet/unet.ts";
import { unpackTensors } from "./unet/unpack_tensors.ts";

export interface GradientOptions extends LossOptions {
  /** Probability that an activation is dropped (see `unet`), in [0, 1). Default 0: the network without dropout. */
  readonly dropout?: number;
  /** How timesteps are drawn: see `LossAwareTimesteps`. Default `uniform`. */
  readonly timestepSampler?: "uniform" | "loss-aware";
}

export interface Gradients {
  /** Mean over the batch, [], and what it is the mean of but for the importance, [B]. */
  readonly loss: tf.Tensor;
  readonly lossPerImage: tf.Tensor;
  /** Of the mean, flat, by parameter in the order of `unetParameterSpecs`. */
  readonly grads: readonly tf.Tensor[];
}

type BatchTensors = Record<"x0" | "noise" | "t" | typeof STEP_TABLES[number], tf.Tensor>;

/** Input of a step with dropout only: the key of `keepMask`. */
const DROPOUT_KEY = "dropoutKey";

/** Input of a step whose timesteps are not drawn uniformly: how much each image counts. */
const IMPORTANCE = "importance";

/**
 * Inputs that make a batch: `x0` and `noise` [B, H, W, C], `t` [B], the tables of `STEP_TABLES` and `lossTableNames` at
 * each image's t [B], with dropout `dropoutKey` [2], with timesteps drawn by their losses `importance` [B], and for
 * class-conditional networks, `classes` [B, classes + 1].
 */
export function batchSignature(config: UnetConfig, batch: number, options: GradientOptions): Signature {
  const { dropout = 0 } = options;
  const images = float32([batch, config.imageSize, config.imageSize, config.inChannels]);
  const tables = [...STEP_TABLES, ...lossTableNames(options)].map((name) => [name, float32([batch])]);
  return {
    x0: images,
    t: { shape: [batch], dtype: "int32" },
    noise: images,
    ...Object.fromEntries(tables),
    ...(dropout > 0 ? { [DROPOUT_KEY]: { shape: [2], dtype: "int32" } } : {}),
    ...(options.timestepSampler === "loss-aware" ? { [IMPORTANCE]: float32([batch]) } : {}),
    ...classSignature(config, batch),
  };
}

/**
 * Loss of a batch (Ho et al. 2020, algorithm 1, line 5) and its gradients.
 *
 * @param inputs `params` [P] and those of `batchSignature`; a device refuses a call that lacks one
 */
export function batchGradients(inputs: NamedTensors, config: UnetConfig, options: GradientOptions): Gradients {
  const { x0, noise, t, sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod } = inputs as BatchTensors;
  const { dropout: rate = 0 } = options;
  const drop = rate > 0 ? { dropout: { key: inputs[DROPOUT_KEY]!, rate } } : {};
  const importance = options.timestepSampler === "loss-aware" ? inputs[IMPORTANCE]! : undefined;

  const specs = unetParameterSpecs(config);
  const xt = qSample(x0, noise, { sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod });
  const lossOf = (...tensors: tf.Tensor[]) => {
    const params = Object.fromEntries(specs.map((spec, i) => [spec.name, tensors[i]!]));
    const output = unet(params, xt, t, config, { ...drop, classes: inputs["classes"] });
    return trainingLossPerImage(output, { ...inputs, x0, noise, xt }, options);
  };
  // Gradients are taken per parameter, not through the flat vector: the gradient of each slice would be a vector of all
  // P numbers. The derivative of the batch mean by each image's loss is its importance / B.
  const named = unpackTensors(inputs["params"]!, config);
  const batch = x0.shape[0]!;
  const { value: lossPerImage, grads } = tf.valueAndGrads(lossOf)(
    specs.map((spec) => named[spec.name]!),
    importance === undefined ? tf.fill([batch], 1 / batch) : tf.mul(importance, 1 / batch),
  );
  const counted = importance === undefined ? lossPerImage : tf.mul(importance, lossPerImage);
  return { loss: tf.mean(counted), lossPerImage, grads: grads.map((grad) => tf.reshape(grad, [-1])) };
}

/**
 * The gradients alone, for batches that memory holds in parts only. Inputs: `gradientStepSignature`. Outputs: `grads`
 * [P]; `loss` []; `lossPerImage` [B].
 */
export function makeGradientStep(config: UnetConfig, options: GradientOptions = {}): PureFunction {
  return (inputs) => {
    const { grads, ...losses } = batchGradients(inputs, config, options);
    return { grads: tf.concat([...grads]), ...losses };
  };
}

export function gradientStepSignature(config: UnetConfig, batch: number, options: GradientOptions = {}): Signature {
  return { params: float32([countParameters(config)]), ...batchSignature(config, batch, options) };
}

function float32(shape: number[]): TensorSpec {
  return { shape, dtype: "float32" };
}
