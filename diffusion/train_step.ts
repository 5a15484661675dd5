import * as tf from "@tensorflow/tfjs";
import type { NamedTensors, PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import { emaStep } from "./ema.ts";
import { qSample } from "./gaussian.ts";
import { simpleLossPerImage } from "./loss.ts";
import { adamStep } from "./optimizer.ts";
import type { UnetConfig } from "./unet/config.ts";
import { countParameters, unetParameterSpecs } from "./unet/parameters.ts";
import { unet } from "./unet/unet.ts";
import { unpackTensors } from "./unet/unpack_tensors.ts";

const TRAIN_INPUTS = [
  "params",
  "m",
  "v",
  "ema",
  "x0",
  "t",
  "noise",
  "sqrtAlphasCumprod",
  "sqrtOneMinusAlphasCumprod",
  "learningRate",
  "biasCorrection1",
  "biasCorrection2",
  "emaDecay",
  "clipNorm",
] as const;

type TrainInputs = Record<typeof TRAIN_INPUTS[number], tf.Tensor>;

/**
 * One training step (Ho et al. 2020, algorithm 1, with Adam, global-norm clipping and the moving average) as one
 * function.
 *
 * Inputs and their shapes: `trainStepSignature`. x0 is in [-1, 1]; the two tables are gathered at each image's t; the
 * scalars come from `adamBiasCorrections` and `emaDecayAt`. Outputs: the next `params`, `m`, `v`, `ema` [P]; `loss` [],
 * the batch mean before the update; `gradNorm` [], before clipping; `lossPerImage` [B].
 */
export function makeTrainStep(config: UnetConfig): PureFunction {
  const specs = unetParameterSpecs(config);
  return (inputs) => {
    const input = checkedInputs(inputs);
    const xt = qSample(input.x0, input.noise, input);
    const lossOf = (...tensors: tf.Tensor[]) => {
      const params = Object.fromEntries(specs.map((spec, i) => [spec.name, tensors[i]!]));
      return simpleLossPerImage(input.noise, unet(params, xt, input.t, config));
    };
    // Gradients are taken per parameter, not through the flat vector: the gradient of each slice would be a vector of
    // all P numbers. The derivative of the batch mean by each image's loss is 1 / B.
    const named = unpackTensors(input.params, config);
    const batch = input.x0.shape[0]!;
    const { value: lossPerImage, grads } = tf.valueAndGrads(lossOf)(
      specs.map((spec) => named[spec.name]!),
      tf.fill([batch], 1 / batch),
    );
    const flatGrads = tf.concat(grads.map((grad) => tf.reshape(grad, [-1])));

    const { params, m, v, gradNorm } = adamStep({ ...input, grads: flatGrads });
    const ema = emaStep(input.ema, params, input.emaDecay);
    return { params, m, v, ema, loss: tf.mean(lossPerImage), gradNorm, lossPerImage };
  };
}

/** Inputs of `makeTrainStep(config)` for batches of `batch` images. */
export function trainStepSignature(config: UnetConfig, batch: number): Signature {
  const flat = float32([countParameters(config)]);
  const images = float32([batch, config.imageSize, config.imageSize, config.inChannels]);
  const signature: Record<typeof TRAIN_INPUTS[number], TensorSpec> = {
    params: flat,
    m: flat,
    v: flat,
    ema: flat,
    x0: images,
    t: { shape: [batch], dtype: "int32" },
    noise: images,
    sqrtAlphasCumprod: float32([batch]),
    sqrtOneMinusAlphasCumprod: float32([batch]),
    learningRate: float32([]),
    biasCorrection1: float32([]),
    biasCorrection2: float32([]),
    emaDecay: float32([]),
    clipNorm: float32([]),
  };
  return signature;
}

function float32(shape: number[]): TensorSpec {
  return { shape, dtype: "float32" };
}

function checkedInputs(inputs: NamedTensors): TrainInputs {
  const missing = TRAIN_INPUTS.filter((name) => inputs[name] === undefined);
  if (missing.length > 0) throw new RangeError(`Train step: inputs missing: ${missing.join(", ")}`);
  return inputs as TrainInputs;
}
