import * as tf from "@tensorflow/tfjs";
import type { HostTensors, PureFunction, Signature } from "../../tensor/device.ts";
import type { UnetConfig } from "../unet/config.ts";
import { epsModelSignature, makeEpsModel } from "../eps_model.ts";
import type { ReverseStep } from "./reverse_step.ts";

/**
 * A reverse step with the network inside: one function for all steps of all samplers (see `ReverseStep`).
 *
 * Inputs and their shapes: `reverseStepSignature`. Outputs: `x` [B, H, W, C], the next images, and `x0` [B, H, W, C],
 * the clipped prediction they were made from.
 */
export function makeReverseStep(config: UnetConfig): PureFunction {
  const model = makeEpsModel(config);
  return (inputs) => {
    const { x, z, recip, recipm1, coefX0, coefXt, sigma } = inputs;
    if (!x || !z || !recip || !recipm1 || !coefX0 || !coefXt || !sigma) {
      throw new RangeError("Reverse step: wanted inputs params, x, t, recip, recipm1, coefX0, coefXt, sigma and z");
    }
    const eps = model(inputs)["eps"]!;
    const x0 = tf.clipByValue(tf.sub(tf.mul(recip, x), tf.mul(recipm1, eps)), -1, 1);
    return { x: tf.add(tf.add(tf.mul(coefX0, x0), tf.mul(coefXt, x)), tf.mul(sigma, z)), x0 };
  };
}

/** Inputs of `makeReverseStep(config)` for batches of `batch` images. */
export function reverseStepSignature(config: UnetConfig, batch: number): Signature {
  const model = epsModelSignature(config, batch);
  const scalar = { shape: [], dtype: "float32" } as const;
  return { ...model, recip: scalar, recipm1: scalar, coefX0: scalar, coefXt: scalar, sigma: scalar, z: model["x"]! };
}

/** A step's numbers as feeds of the compiled function; all images of a batch are at the same t. */
export function reverseStepFeeds(step: ReverseStep, batch: number): HostTensors {
  return {
    t: new Int32Array(batch).fill(step.t),
    recip: Float32Array.of(step.recip),
    recipm1: Float32Array.of(step.recipm1),
    coefX0: Float32Array.of(step.coefX0),
    coefXt: Float32Array.of(step.coefXt),
    sigma: Float32Array.of(step.sigma),
  };
}
