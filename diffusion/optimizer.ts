import * as tf from "@tensorflow/tfjs";

/** Adam's constants in Ho et al. 2020 (appendix B). TF.js would take 1e-7 for epsilon. */
export const ADAM_BETA1 = 0.9;
export const ADAM_BETA2 = 0.999;
export const ADAM_EPSILON = 1e-8;

/** A clip norm that no gradient reaches. Infinity would turn the scale into NaN. */
export const NO_CLIPPING = 3e38;

/**
 * The bias corrections 1 - beta^step of Adam (Kingma & Ba 2015, algorithm 1), in float64: in float32 the second one is
 * off by 6e-5 at the first step.
 *
 * @param step number of the update, from 1
 */
export function adamBiasCorrections(step: number): { biasCorrection1: number; biasCorrection2: number } {
  if (!Number.isInteger(step) || step < 1) throw new RangeError(`Step of Adam: got ${step}, wanted an integer >= 1`);
  return { biasCorrection1: 1 - ADAM_BETA1 ** step, biasCorrection2: 1 - ADAM_BETA2 ** step };
}

export interface AdamInputs {
  /** All parameters of the network, [P]. */
  readonly params: tf.Tensor;
  readonly grads: tf.Tensor;
  /** First moment, [P]; zeros before the first step. */
  readonly m: tf.Tensor;
  /** Second moment, [P]; zeros before the first step. */
  readonly v: tf.Tensor;
  /** Scalar, as are the rest. */
  readonly learningRate: tf.Tensor;
  readonly biasCorrection1: tf.Tensor;
  readonly biasCorrection2: tf.Tensor;
  /** Gradients with a larger global norm are scaled down to it; `NO_CLIPPING` turns that off. */
  readonly clipNorm: tf.Tensor;
}

export interface AdamOutputs {
  readonly params: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
  /** Global norm of the gradients before clipping, scalar. */
  readonly gradNorm: tf.Tensor;
}

/** One update of Adam on one flat vector, after clipping by the global norm. */
export function adamStep(inputs: AdamInputs): AdamOutputs {
  const gradNorm = tf.sqrt(tf.sum(tf.square(inputs.grads)));
  // At most 1, and well defined for gradients that are all zero.
  const clip = tf.div(inputs.clipNorm, tf.maximum(gradNorm, inputs.clipNorm));
  const grads = tf.mul(inputs.grads, clip);
  const m = tf.add(tf.mul(inputs.m, ADAM_BETA1), tf.mul(grads, 1 - ADAM_BETA1));
  const v = tf.add(tf.mul(inputs.v, ADAM_BETA2), tf.mul(tf.square(grads), 1 - ADAM_BETA2));
  const rate = tf.div(inputs.learningRate, inputs.biasCorrection1);
  const spread = tf.add(tf.sqrt(tf.div(v, inputs.biasCorrection2)), ADAM_EPSILON);
  return { params: tf.sub(inputs.params, tf.div(tf.mul(m, rate), spread)), m, v, gradNorm };
}
