import * as tf from "@tensorflow/tfjs-core";
import { counterWords } from "../counter_words.ts";
import { gridOf, KEEP_MASK, type KeepMaskAttributes, keepRule } from "../keep_mask.ts";

/**
 * Register the mask for a backend that can read tensors at once and takes host arrays, as `cpu`, `wasm` and
 * `tensorflow` do: a loop on the host, 5 ns an element. A backend that has the kernel keeps its own.
 */
export function registerHostKeepMask(backendName: string): void {
  if (tf.getKernel(KEEP_MASK, backendName) !== undefined) return;
  tf.registerKernel({
    kernelName: KEEP_MASK,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { shape, site, rate } = attrs as unknown as KeepMaskAttributes;
      const host = backend as tf.KernelBackend;
      const key = host.readSync(inputs["key"]!.dataId) as Int32Array;
      const { threshold, scale } = keepRule(rate);
      const words = counterWords(gridOf(shape), key, site);
      const mask = new Float32Array(words.length);
      for (let i = 0; i < mask.length; i++) mask[i] = words[i]! < threshold ? 0 : scale;
      const dataId = host.write(mask, [...shape], "float32");
      return { dataId, shape: [...shape], dtype: "float32" };
    },
  });
}
