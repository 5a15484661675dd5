import * as tf from "@tensorflow/tfjs-core";
import { type CounterGrid, counterWords } from "./counter_words.ts";

/** Name of the TF.js kernel, which `kernels/` here and `science/tensor/trace/translations/random.ts` implement. */
export const KEEP_MASK = "NoiselineKeepMask";

export interface KeepMaskOptions {
  /** Number of the mask within a step: an integer in [0, 2^16), different for each place with dropout. */
  readonly site: number;
  /** Probability of 0, in [0, 1). */
  readonly rate: number;
}

/** Attributes of the kernel. */
export interface KeepMaskAttributes extends KeepMaskOptions {
  readonly shape: readonly number[];
}

/**
 * Returns a float32 mask that is 0 with probability `rate` and 1 / (1 - rate) otherwise, so that its mean is 1; each
 * element independently (N. Srivastava et al., "Dropout", JMLR 2014, in the form that scales while training). A pure
 * function of (key, shape, site, rate), with the same bits on every device. The first axis counts images. Gradients do
 * not pass through the mask.
 *
 * @param key [2] int32, any values, a different pair for each step
 */
export function keepMask(key: tf.Tensor, shape: readonly number[], { site, rate }: KeepMaskOptions): tf.Tensor {
  return tf.engine().runKernel(KEEP_MASK, { key }, { shape: [...shape], site, rate }) as tf.Tensor;
}

/** Registers the kernel for a backend, unless the backend already has it. */
export function registerKeepMask<Backend>(
  backendName: string,
  compute: (call: KeepMaskAttributes & { key: tf.TensorInfo; backend: Backend }) => tf.TensorInfo,
): void {
  if (tf.getKernel(KEEP_MASK, backendName) !== undefined) return;
  tf.registerKernel({
    kernelName: KEEP_MASK,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) =>
      compute({ ...attrs as unknown as KeepMaskAttributes, key: inputs["key"]!, backend: backend as Backend }),
  });
}

/**
 * Returns the rate as a share of 2^32 words, and the scale for that share, so that the mean is exactly 1: a word below
 * `threshold`, an integer in [0, 2^32), drops its element; a kept element becomes `scale`.
 */
export function keepRule(rate: number): { readonly threshold: number; readonly scale: number } {
  const threshold = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
  return { threshold, scale: Math.fround(1 / (1 - threshold * 2 ** -32)) };
}

/** Returns the grid of words for a mask: images of the first axis, positions of the others. */
export function gridOf(shape: readonly number[]): CounterGrid {
  return { images: shape[0]!, size: tf.util.sizeFromShape(shape.slice(1)) };
}

/** Computes the mask by a loop on the host, 5 ns an element. */
export function hostKeepMask(key: Int32Array, { shape, site, rate }: KeepMaskAttributes): Float32Array<ArrayBuffer> {
  const { threshold, scale } = keepRule(rate);
  const words = counterWords(gridOf(shape), key, site);
  const mask = new Float32Array(words.length);
  for (let i = 0; i < mask.length; i++) mask[i] = words[i]! < threshold ? 0 : scale;
  return mask;
}

/**
 * Registers the mask for a backend that can read tensors synchronously and takes host arrays, as `cpu`, `wasm` and
 * `tensorflow` do.
 */
export function registerHostKeepMask(backendName: string): void {
  registerKeepMask<tf.KernelBackend>(backendName, ({ key, backend, ...attributes }) => {
    const mask = hostKeepMask(backend.readSync(key.dataId) as Int32Array, attributes);
    const shape = [...attributes.shape];
    return { dataId: backend.write(mask, shape, "float32"), shape, dtype: "float32" };
  });
}
