import * as tf from "@tensorflow/tfjs-core";
import { keepMask } from "../tensor/random/keep_mask.ts";

/**
 * Returns a function that drops activations. Its calls are numbered, so that each has its own mask, the same at each
 * evaluation of a network by a function of its own.
 *
 * @param key [2] int32, different at each step @param rate in (0, 1)
 */
export function dropoutBy(key: tf.Tensor, rate: number): (h: tf.Tensor) => tf.Tensor {
  let site = 0;
  return (h) => tf.mul(h, keepMask(key, h.shape, { site: site++, rate }));
}
