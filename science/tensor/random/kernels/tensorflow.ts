import * as tf from "@tensorflow/tfjs-core";
import { siteOffset } from "../counter_words.ts";
import { registerKeepMask } from "../keep_mask.ts";

/** The members that tfjs-node's backend has beyond other backends. */
interface TensorflowBackend extends tf.KernelBackend {
  readonly binding: Readonly<Record<"TF_ATTR_TYPE" | "TF_FLOAT" | "TF_INT32", number>>;
  executeSingleOutput(name: string, attributes: readonly object[], inputs: readonly tf.TensorInfo[]): tf.Tensor;
}

/** TensorFlow's uniforms are multiples of this. */
const RESOLUTION = 2 ** -23;

/**
 * Registers the mask for TensorFlow on a GPU, where words computed on the host would cost more than the step. TF.js
 * cannot reach unsigned integer arithmetic in TensorFlow, so this uses TensorFlow's own counter-based generator: also a
 * pure function of (key, shape, site, rate), but with other bits than on other devices.
 */
export function registerTensorflowKeepMask(backendName: string): void {
  registerKeepMask<TensorflowBackend>(backendName, ({ key, shape, site, rate, backend }) => {
    const words = backend.readSync(key.dataId) as Int32Array;
    const share = Math.min(Math.round(rate / RESOLUTION), 1 / RESOLUTION - 1) * RESOLUTION;
    return tf.tidy(() => {
      const seed = Int32Array.of(words[0]! + siteOffset(site, 0), words[1]! + siteOffset(site, 1));
      const uniform = statelessUniform(backend, [...shape], seed);
      return tf.mul(tf.cast(tf.greaterEqual(uniform, share), "float32"), 1 / (1 - share));
    });
  });
}

/** Returns float32 in [0, 1): Philox of the seed (TensorFlow, `tf.random.stateless_uniform`). */
function statelessUniform(tensorflow: TensorflowBackend, shape: number[], seed: Int32Array): tf.Tensor {
  const { TF_ATTR_TYPE, TF_FLOAT, TF_INT32 } = tensorflow.binding;
  const attributes = [
    { name: "dtype", type: TF_ATTR_TYPE, value: TF_FLOAT },
    { name: "T", type: TF_ATTR_TYPE, value: TF_INT32 },
    { name: "Tseed", type: TF_ATTR_TYPE, value: TF_INT32 },
  ];
  const inputs = [tf.tensor1d(shape, "int32"), tf.tensor1d(seed, "int32")];
  return tensorflow.executeSingleOutput("StatelessRandomUniform", attributes, inputs);
}
