import * as tf from "@tensorflow/tfjs-core";

export interface EmaOptions {
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
