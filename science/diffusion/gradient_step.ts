import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, PureFunction, Signature, Tensor } from "../tensor/device.ts";
import { type Network, trainedParameters, unpackTensors } from "./network.ts";

/** The loss that a training lowers, and the parameters that it does so with. */
export interface TrainingLoss extends Pick<Network, "parameters" | "count" | "frozen"> {
  /** True if the loss also depends on the averaged weights, `ema` [P]. */
  readonly readsAverage: boolean;
  /** Names of the terms that the loss is the sum of. Absent: the loss is one number for each image. */
  readonly terms?: readonly string[];
  /** Returns the inputs of a batch, all but `dropoutKey` with the images along the first axis. */
  batchSignature(batch: number): Signature;
  /**
   * Returns the loss of each image of a batch, [B], or of each of its terms, [terms, B], as a function of the weights.
   *
   * @param inputs those of the batch, and the averaged weights if the loss depends on them
   */
  of(inputs: NamedTensors): (weights: Readonly<NamedTensors>) => Tensor;
}

/**
 * Computes the loss of a batch and its gradients.
 *
 * @param inputs `params` [P] and those of the loss; a device refuses a call that lacks one. With `importance` [B], each
 * image counts so often
 * @returns the mean over the batch, []; the losses of the images without their importance, [B]; the mean of each term,
 * [terms]; and the gradients of the mean, flat, by parameter in the order of `trainedParameters(loss)`
 */
export function batchGradients(inputs: NamedTensors, loss: TrainingLoss) {
  const { importance } = inputs;
  const specs = trainedParameters(loss);
  const lossOf = loss.of(inputs);
  const lossOfList = (...tensors: tf.Tensor[]) =>
    lossOf({ ...frozen, ...Object.fromEntries(specs.map((spec, i) => [spec.name, tensors[i]!])) });
  // Gradients are computed per parameter, not through the flat vector, where the gradient of each slice would be a
  // vector of all P numbers. The derivative of the batch mean by each image's loss is the image's importance / B.
  const named = unpackTensors(inputs["params"]!, loss);
  const frozen = Object.fromEntries([...loss.frozen ?? []].map((name) => [name, named[name]!]));
  const batch = inputs["x0"]!.shape[0]!;
  const { terms } = loss;
  const shape = terms === undefined ? [batch] : [terms.length, batch];
  const { value, grads } = tf.valueAndGrads(lossOfList)(
    specs.map((spec) => named[spec.name]!),
    importance === undefined ? tf.fill(shape, 1 / batch) : tf.mul(importance, 1 / batch),
  );
  const lossPerImage = terms === undefined ? value : tf.sum(value, 0);
  const counted = importance === undefined ? lossPerImage : tf.mul(importance, lossPerImage);
  const apart = terms === undefined ? {} : { terms: tf.mean(value, 1) };
  return { loss: tf.mean(counted), lossPerImage, ...apart, grads: grads.map((grad) => tf.reshape(grad, [-1])) };
}

/**
 * Computes the gradients alone, for batches that fit in memory only in parts. Inputs: `gradientStepSignature`. Outputs:
 * `grads`, of `trainedParameters(loss)`; `loss` []; `lossPerImage` [B]; `terms` [terms].
 */
export function makeGradientStep(loss: TrainingLoss): PureFunction {
  return (inputs) => {
    const { grads, ...losses } = batchGradients(inputs, loss);
    return { grads: tf.concat([...grads]), ...losses };
  };
}

export function gradientStepSignature(loss: TrainingLoss, batch: number): Signature {
  const flat = { shape: [loss.count], dtype: "float32" as const };
  return { params: flat, ...(loss.readsAverage ? { ema: flat } : {}), ...loss.batchSignature(batch) };
}
