import * as tf from "@tensorflow/tfjs-core";
import { adamStep, globalNorm } from "../../diffusion/optimizer.ts";
import {
  type ClassifierConfig,
  classifierParameters,
  classify,
  countClassifierParameters,
  unpackClassifier,
} from "../../metrics/features/classifier_network.ts";
import type { PureFunction, Signature } from "../../tensor/mod.ts";

/**
 * One training step: mean cross-entropy, its gradients, Adam. Inputs: `classifierStepSignature`, with `labels` [B, classes]
 * one-hot. Outputs: the next `params`, `m`, `v` [P]; `loss` [], `gradNorm` [].
 */
export function makeClassifierStep(config: ClassifierConfig): PureFunction {
  const names = classifierParameters(config).map(({ name }) => name);
  return (inputs) => {
    const { params, m, v, x, labels, learningRate, biasCorrection1, biasCorrection2 } = inputs as Record<
      string,
      tf.Tensor
    >;
    const lossOf = (...tensors: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      const { logits } = classify(named, x!);
      // Shifted by a constant per image, which the gradient does not see, so that no exponential overflows.
      const shifted = tf.sub(logits, tf.mean(logits, 1, true));
      const logSum = tf.log(tf.sum(tf.exp(shifted), 1));
      return tf.mean(tf.sub(logSum, tf.sum(tf.mul(labels!, shifted), 1))) as tf.Scalar;
    };
    const unpacked = unpackClassifier(params!, config);
    const { value: loss, grads } = tf.valueAndGrads(lossOf)(names.map((name) => unpacked[name]!));
    const flat = tf.concat(grads.map((grad) => tf.reshape(grad, [-1])));
    const settings = {
      learningRate: learningRate!,
      biasCorrection1: biasCorrection1!,
      biasCorrection2: biasCorrection2!,
    };
    const next = adamStep({ params: params!, m: m!, v: v! }, flat, tf.scalar(1), settings);
    return { ...next, loss, gradNorm: globalNorm(grads) };
  };
}

export function classifierStepSignature(config: ClassifierConfig, batch: number): Signature {
  const float32 = (...shape: number[]) => ({ shape, dtype: "float32" as const });
  const flat = float32(countClassifierParameters(config));
  const { height, width, channels, classes } = config;
  return {
    params: flat,
    m: flat,
    v: flat,
    x: float32(batch, height, width, channels),
    labels: float32(batch, classes),
    learningRate: float32(),
    biasCorrection1: float32(),
    biasCorrection2: float32(),
  };
}
