import * as tf from "@tensorflow/tfjs-core";
import type { PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import type { NetworkSizes } from "./define.ts";
import { type Network, predict, unpackTensors } from "./network.ts";

/**
 * The network alone, for evaluation. Inputs: `params` [P], `x` [B, H, W, C], `t` [B], and for networks that are told
 * labels `classes` [B, classes + 1] (see `oneHotLabels`). Output: `output`
 * [B, H, W, outChannels]; what it predicts is the checkpoint's objective.
 */
export function makeModelOutput(network: Network): PureFunction {
  return ({ params, x, t, classes }) => ({
    output: predict(network, { weights: unpackTensors(params!, network), x: x!, t: t!, labels: classes }),
  });
}

/**
 * Inputs of `makeModelOutput(network)` for batches of `batch` images.
 *
 * @param time float32 on a continuous path
 */
export function modelOutputSignature(
  { sizes, count }: Pick<Network, "sizes" | "count">,
  batch: number,
  time: TensorSpec["dtype"] = "int32",
): Signature {
  return {
    params: { shape: [count], dtype: "float32" },
    x: { shape: [batch, sizes.height, sizes.width, sizes.channels], dtype: "float32" },
    t: { shape: [batch], dtype: time },
    ...classSignature(sizes, batch),
  };
}

/** The input of class-conditional networks; none for others. */
export function classSignature({ classes }: NetworkSizes, batch: number): Signature {
  return classes === undefined ? {} : { classes: { shape: [batch, classes + 1], dtype: "float32" } };
}

/**
 * Labels as a network takes them, [B, classes + 1] row-major. A label that is undefined is none, the last column.
 *
 * @param labels each in [0, classes)
 */
export function oneHotLabels(labels: readonly (number | undefined)[], classes: number): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(labels.length * (classes + 1));
  labels.forEach((label = classes, i) => rows[i * (classes + 1) + label] = 1);
  return rows;
}

/**
 * The output of a network for images of `channels` channels: the prediction, and `variance` where it is learned, both
 * [B, H, W, channels].
 */
export function splitOutput(output: tf.Tensor, channels: number): { prediction: tf.Tensor; variance?: tf.Tensor } {
  if (output.shape.at(-1) === channels) return { prediction: output };
  const part = (start: number) => tf.slice(output, [0, 0, 0, start], [-1, -1, -1, channels]);
  return { prediction: part(0), variance: part(channels) };
}

/**
 * Log of the learned variance: from the smallest sensible one at `raw` = -1 to the largest at 1, straight in the
 * logarithm (Nichol & Dhariwal 2021, eq. 15; openai/improved-diffusion, `LEARNED_RANGE`).
 */
export function learnedLogVariance(
  raw: tf.Tensor,
  { min, max }: { readonly min: tf.Tensor; readonly max: tf.Tensor },
): tf.Tensor {
  const fraction = tf.mul(tf.add(raw, 1), 0.5);
  return tf.add(tf.mul(fraction, max), tf.mul(tf.sub(1, fraction), min));
}
