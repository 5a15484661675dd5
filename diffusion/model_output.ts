import type { PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import type { NetworkSizes } from "./define.ts";
import { type Network, predict, unpackTensors } from "./network.ts";

/**
 * The network alone, for evaluation. Inputs: `params` [P], `x` [B, H, W, C], `t` [B], and for class-conditional
 * networks `classes` [B, classes + 1] (see `oneHotLabels`). Output: `output` [B, H, W, outChannels]; the checkpoint's
 * objective says what it predicts.
 */
export function makeModelOutput(network: Network): PureFunction {
  return ({ params, x, t, classes }) => ({
    output: predict(network, { weights: unpackTensors(params!, network), x: x!, t: t!, labels: classes }),
  });
}

/**
 * Returns the inputs of `makeModelOutput(network)` for batches of `batch` images.
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

/** Returns the additional input of a class-conditional network; empty for other networks. */
export function classSignature({ classes }: NetworkSizes, batch: number): Signature {
  return classes === undefined ? {} : { classes: { shape: [batch, classes + 1], dtype: "float32" } };
}

/**
 * Encodes labels as a network takes them, [B, classes + 1] row-major. An undefined label means no label, the last
 * column.
 *
 * @param labels each in [0, classes)
 */
export function oneHotLabels(labels: readonly (number | undefined)[], classes: number): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(labels.length * (classes + 1));
  labels.forEach((label = classes, i) => rows[i * (classes + 1) + label] = 1);
  return rows;
}
