import * as tf from "@tensorflow/tfjs-core";

/** Adam's constants in Ho et al. 2020 (appendix B). TF.js would take 1e-7 for epsilon. */
const ADAM_BETA1 = 0.9;
const ADAM_BETA2 = 0.999;
const ADAM_EPSILON = 1e-8;

/**
 * Returns Adam's bias corrections 1 - beta^step (Kingma & Ba 2015, algorithm 1), in float64: in float32 the second one
 * is off by 6e-5 at the first step.
 *
 * @param step number of the update, from 1
 */
export function adamBiasCorrections(step: number): { biasCorrection1: number; biasCorrection2: number } {
  return { biasCorrection1: 1 - ADAM_BETA1 ** step, biasCorrection2: 1 - ADAM_BETA2 ** step };
}

/** The parameters and moments that Adam reads and writes, each [n]; the moments are zeros before the first step. */
export type AdamMoments = Readonly<Record<"params" | "m" | "v", tf.Tensor>>;

/** Scalar inputs of Adam. */
export type AdamSettings = Readonly<Record<"learningRate" | "biasCorrection1" | "biasCorrection2", tf.Tensor>>;

/** Global norm of gradients, given in any number of parts; scalar. */
export function globalNorm(grads: readonly tf.Tensor[]): tf.Tensor {
  return tf.sqrt(tf.addN(grads.map((grad) => tf.sum(tf.square(grad)))));
}

/**
 * Factor that scales gradients down to a global norm of at most `clipNorm`; 1 for smaller gradients, and well defined
 * for gradients that are all zero. To turn clipping off, use a norm that no gradient reaches; infinity would give NaN.
 */
export function clipFactor(gradNorm: tf.Tensor, clipNorm: tf.Tensor): tf.Tensor {
  return tf.div(clipNorm, tf.maximum(gradNorm, clipNorm));
}

/**
 * Makes one update of Adam (Kingma & Ba 2015, algorithm 1) on some of the parameters. Scalars are multiplied first, so
 * that there are as few passes over each vector as possible: with c1, c2 the bias corrections, lr (m / c1) / (sqrt(v /
 * c2) + eps) = m / (sqrt(v) a + b), a = c1 / (lr sqrt(c2)), b = eps c1 / lr.
 *
 * @param clip scalar that the gradients are multiplied with
 */
export function adamStep(
  { params, m, v }: AdamMoments,
  grads: tf.Tensor,
  clip: tf.Tensor,
  { learningRate, biasCorrection1, biasCorrection2 }: AdamSettings,
): AdamMoments {
  const nextM = tf.add(tf.mul(m, ADAM_BETA1), tf.mul(grads, tf.mul(clip, 1 - ADAM_BETA1)));
  const nextV = tf.add(tf.mul(v, ADAM_BETA2), tf.mul(tf.square(grads), tf.mul(tf.square(clip), 1 - ADAM_BETA2)));
  const perRate = tf.div(biasCorrection1, learningRate);
  const spread = tf.add(
    tf.mul(tf.sqrt(nextV), tf.div(perRate, tf.sqrt(biasCorrection2))),
    tf.mul(perRate, ADAM_EPSILON),
  );
  return { params: tf.sub(params, tf.div(nextM, spread)), m: nextM, v: nextV };
}

interface EmaOptions {
  /** In [0, 1); Ho et al. 2020 use 0.9999. */
  readonly decay: number;
  /**
   * Use min(decay, (1 + step) / (10 + step)), the `num_updates` rule of TensorFlow's ExponentialMovingAverage, so that
   * a short run does not report its initial weights. Without warm-up the decay is constant, except that the first
   * update copies the weights (hojonathanho/diffusion).
   */
  readonly warmup: boolean;
}

/**
 * Returns the decay of the moving average for one update. It depends on the arguments alone, so that a resumed run
 * continues as if it had not stopped.
 *
 * @param step number of the update, from 1
 */
export function emaDecayAt(step: number, { decay, warmup }: EmaOptions): number {
  if (warmup) return Math.min(decay, (1 + step) / (10 + step));
  return step === 1 ? 0 : decay;
}

/** Computes decay ema + (1 - decay) params. @param decay scalar; 0 gives the parameters themselves, exactly */
export function emaStep(ema: tf.Tensor, params: tf.Tensor, decay: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(ema, decay), tf.mul(params, tf.sub(1, decay)));
}
