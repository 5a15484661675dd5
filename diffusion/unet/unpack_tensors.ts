import * as tf from "@tensorflow/tfjs-core";
import type { UnetConfig } from "./config.ts";
import { sizeOf, unetParameterSpecs } from "./parameters.ts";

/** Views of a flat parameter vector [P] as one tensor per parameter, in the order of `unetParameterSpecs`. */
export function unpackTensors(flat: tf.Tensor, config: UnetConfig): Record<string, tf.Tensor> {
  const specs = unetParameterSpecs(config);
  let start = 0;
  return Object.fromEntries(specs.map((spec) => {
    const part = tf.slice(flat, start, sizeOf(spec));
    start += sizeOf(spec);
    return [spec.name, tf.reshape(part, [...spec.shape])];
  }));
}
