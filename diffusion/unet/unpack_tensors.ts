import * as tf from "@tensorflow/tfjs-core";
import type { UnetConfig } from "./config.ts";
import { sizeOf, unetParameterSpecs } from "./parameters.ts";

/** Views of a flat parameter vector [P] as one tensor per parameter, in the order of `unetParameterSpecs`. */
export function unpackTensors(flat: tf.Tensor, config: UnetConfig): Record<string, tf.Tensor> {
  const specs = unetParameterSpecs(config);
  const parts = tf.split(flat, specs.map(sizeOf));
  return Object.fromEntries(specs.map(({ name, shape }, i) => [name, tf.reshape(parts[i]!, [...shape])]));
}
