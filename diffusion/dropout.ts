import * as tf from "@tensorflow/tfjs-core";
import { keepMask } from "../tensor/random/keep_mask.ts";

/** What decides which activations one training step drops. */
export interface DropoutKey {
  /** [2] int32, another pair at each step. */
  readonly key: tf.Tensor;
  /** Probability that an activation is dropped, in (0, 1). */
  readonly rate: number;
}

/**
 * x times a mask of 0 and 1 / (1 - rate), see `keepMask`.
 *
 * @param x [B, ...], each element dropped for itself
 * @param site integer in [0, 2^16), another one for each place of the network that drops
 */
export function dropout(x: tf.Tensor, { key, rate }: DropoutKey, site: number): tf.Tensor {
  return tf.mul(x, keepMask(key, x.shape, { site, rate }));
}
