import * as tf from "@tensorflow/tfjs-core";
import type { HostTensors, NamedTensors, PureFunction, Signature } from "../../tensor/device.ts";
import { learnedLogVariance, makeModelOutput, modelOutputSignature, splitOutput } from "../model_output.ts";
import type { Recovery } from "../define.ts";
import type { UnetConfig } from "../unet/config.ts";
import type { ReverseStep } from "./reverse_step.ts";

export interface ReverseStepOptions {
  /** Clip the predicted x0 to [-1, 1]. Default true. */
  readonly clip?: boolean;
  /** Take the label into account more, or less, than the network does: see `makeReverseStep`. Default false. */
  readonly guided?: boolean;
  /** Scale the noise by the deviation that the network learned. Default false. */
  readonly learnedVariance?: boolean;
}

/**
 * A reverse step with the network inside: one function for all steps of all samplers and objectives (see
 * `ReverseStep`).
 *
 * Guided, the prediction is none + guidance (label - none), with the label and without one (Ho & Salimans
 * 2021, arXiv 2207.12598, with guidance = 1 + w): both in one batch of twice the size. A learned variance is that of the
 * label.
 *
 * Inputs and their shapes: `reverseStepSignature`. Outputs: `x` [B, H, W, C], the next images, and `x0` [B, H, W, C],
 * the prediction they were made from.
 */
export function makeReverseStep(config: UnetConfig, options: ReverseStepOptions = {}): PureFunction {
  const { clip = true, learnedVariance = false, guided = false } = options;
  const model = makeModelOutput(config);
  const plainOutput = (inputs: NamedTensors) => splitOutput(model(inputs)["output"]!, config.inChannels);
  return (inputs) => {
    const { x, extra, x0FromXt, x0FromOutput, coefX0, coefXt, coefExtra } = inputs as StepInputs;
    const { prediction, variance } = guided ? guidedOutput(inputs, config, model) : plainOutput(inputs);
    const recovered = tf.add(tf.mul(x0FromXt, x), tf.mul(x0FromOutput, prediction));
    const x0 = clip ? tf.clipByValue(recovered, -1, 1) : recovered;
    const factor = learnedVariance ? tf.mul(coefExtra, learnedDeviation(variance!, inputs)) : coefExtra;
    return { x: tf.add(tf.add(tf.mul(coefX0, x0), tf.mul(coefXt, x)), tf.mul(factor, extra)), x0 };
  };
}

function guidedOutput(inputs: NamedTensors, { classes, inChannels }: UnetConfig, model: PureFunction) {
  const { guidance, x, t, classes: labels } = inputs as Record<"guidance" | "x" | "t" | "classes", tf.Tensor>;
  const batch = x.shape[0]!;
  const none = tf.mul(tf.ones([batch, 1]), tf.tensor2d([...new Array(classes!).fill(0), 1], [1, classes! + 1]));
  const timesteps = tf.cast(t, "float32");
  const { output } = model({
    ...inputs,
    x: tf.concat([x, x]),
    t: tf.concat([timesteps, timesteps]),
    classes: tf.concat([labels, none]),
  });
  const [told, untold] = tf.split(output!, 2).map((half) => splitOutput(half, inChannels));
  const away = tf.sub(told!.prediction, untold!.prediction);
  return { ...told, prediction: tf.add(untold!.prediction, tf.mul(guidance, away)) };
}

function learnedDeviation(raw: tf.Tensor, inputs: NamedTensors): tf.Tensor {
  const range = { min: inputs["minLogVariance"]!, max: inputs["maxLogVariance"]! };
  return tf.exp(tf.mul(learnedLogVariance(raw, range), 0.5));
}

/** Numbers of a step that all images share. */
const SCALARS = ["x0FromXt", "x0FromOutput", "coefX0", "coefXt", "coefExtra"] as const;

type StepInputs = Record<"x" | "extra" | typeof SCALARS[number], tf.Tensor>;

/** Inputs of `makeReverseStep` of the same configuration and options for batches of `batch` images. */
export function reverseStepSignature(
  config: UnetConfig,
  batch: number,
  { learnedVariance = false, guided = false }: ReverseStepOptions = {},
): Signature {
  const model = modelOutputSignature(config, batch);
  const scalar = { shape: [], dtype: "float32" } as const;
  return {
    ...model,
    ...Object.fromEntries(SCALARS.map((name) => [name, scalar])),
    extra: model["x"]!,
    ...(guided ? { guidance: scalar } : {}),
    ...(learnedVariance ? { minLogVariance: scalar, maxLogVariance: scalar } : {}),
  };
}

/** A step's numbers as feeds of the compiled function; all images of a batch are at the same t. */
export function reverseStepFeeds(step: ReverseStep, recovery: Recovery, batch: number): HostTensors {
  const { t, logVariances } = step;
  const scalars = { ...step, x0FromXt: recovery.xt, x0FromOutput: recovery.output };
  return {
    t: new Int32Array(batch).fill(t),
    ...Object.fromEntries(SCALARS.map((name) => [name, Float32Array.of(scalars[name])])),
    ...(logVariances === undefined ? {} : {
      minLogVariance: Float32Array.of(logVariances.min),
      maxLogVariance: Float32Array.of(logVariances.max),
    }),
  };
}
