import type * as tf from "@tensorflow/tfjs-core";
import { counterWords } from "../counter_words.ts";
import { gridOf, keepRule, registerKeepMask } from "../keep_mask.ts";

/**
 * Register the mask for a backend that can read tensors at once and takes host arrays, as `cpu`, `wasm` and
 * `tensorflow` do: a loop on the host, 5 ns an element.
 */
export function registerHostKeepMask(backendName: string): void {
  registerKeepMask<tf.KernelBackend>(backendName, ({ key, shape, site, rate, backend }) => {
    const { threshold, scale } = keepRule(rate);
    const words = counterWords(gridOf(shape), backend.readSync(key.dataId) as Int32Array, site);
    const mask = new Float32Array(words.length);
    for (let i = 0; i < mask.length; i++) mask[i] = words[i]! < threshold ? 0 : scale;
    return { dataId: backend.write(mask, [...shape], "float32"), shape: [...shape], dtype: "float32" };
  });
}
