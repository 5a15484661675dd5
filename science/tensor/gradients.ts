import * as tf from "@tensorflow/tfjs-core";
import { COMPOSITIONS } from "./compositions.ts";
import { poolInfo, windowsOf } from "./convolution_info.ts";

/**
 * Kernels whose gradients are computed from their compositions, with the inputs that have a gradient (none: the inputs
 * are a list). TF.js's own gradients are wrong or missing:
 * - Those of `maximum`, `minimum` and `squaredDifference` do not sum over broadcast axes.
 * - `einsum` and `cumprod` have none in TF.js.
 * - That of `mirrorPad` ignores the gradients of the mirrored elements.
 * - Those of the resizes ignore `halfPixelCenters`; some backends swap height and width.
 * - That of `localResponseNormalization` needs a kernel that some backends do not have.
 */
const COMPOSED: Readonly<Record<string, readonly string[]>> = {
  Maximum: ["a", "b"],
  Minimum: ["a", "b"],
  SquaredDifference: ["a", "b"],
  Einsum: [],
  Cumprod: ["x"],
  MirrorPad: ["x"],
  ResizeBilinear: ["images"],
  ResizeNearestNeighbor: ["images"],
  LRN: ["x"],
};

function composed(kernelName: string, names: readonly string[]): tf.GradFunc {
  return (dy, saved, attributes) => {
    const keys = names.length === 0 ? saved.map((_, i) => `${i}`) : names;
    const f = (inputs: tf.Tensor[]) =>
      COMPOSITIONS[kernelName]!(Object.fromEntries(keys.map((key, i) => [key, inputs[i]])), attributes) as tf.Tensor;
    // Gradients are computed one by one, because TF.js disposes of what the gradient of one input leaves before it
    // requests the next.
    const of = (i: number) => tf.grad((x) => f(saved.with(i, x)))(saved[i]!, dy as tf.Tensor);
    return Object.fromEntries(keys.map((key, i) => [key, () => withinGradient(() => of(i))]));
  };
}

/**
 * Saves TF.js's tape around an inner gradient: at its end, TF.js believes that the outer gradient has ended, and loses
 * what that has recorded.
 */
function withinGradient<T>(body: () => T): T {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return body();
  } finally {
    state.activeTape = activeTape;
  }
}

/** Replaces TF.js's gradient, which transposes the axes as if the sum had been along the last one. */
const cumsum: tf.GradFunc = (dy, _, attributes) => {
  const { axis, exclusive, reverse } = attributes as unknown as tf.CumsumAttrs;
  return { x: () => tf.cumsum(dy as tf.Tensor, axis, exclusive, !reverse) };
};

/**
 * Replaces TF.js's gradient, which divides by the size of the window even where part of the window is padding, which
 * does not count in the mean. Here images are padded beforehand, so that each window is whole, as the gradient kernel
 * assumes.
 */
function averagePool(kernelName: string): tf.GradFunc {
  return (dy, [x], attributes) => ({
    x: () => {
      const [batch, ...size] = x!.shape as [number, ...number[]];
      const channels = size.pop()!;
      const { kernel, strides, pads } = windowsOf(poolInfo(x!.shape, attributes as unknown as tf.AvgPoolAttrs));
      const image = tf.pad(tf.ones(size), size.map((_, axis) => [pads[axis]!, pads[size.length + axis]!]));
      const run = (name: string, inputs: tf.NamedTensorMap) =>
        tf.engine().runKernel(name, inputs, { filterSize: kernel, strides, pad: "valid" }) as tf.Tensor;
      const inside = run(kernelName, { x: tf.reshape(image, [1, ...image.shape, 1]) });
      const input = tf.zeros([batch, ...image.shape, channels]);
      const dx = run(`${kernelName}Grad`, { dy: tf.div(dy as tf.Tensor, inside), input });
      return tf.slice(dx, [0, ...pads.slice(0, size.length), 0], x!.shape);
    },
  });
}

/** Wraps TF.js's gradient, which supports only axes that are counted from the front. */
function product(theirs: tf.GradFunc): tf.GradFunc {
  return (dy, saved, { axis }) => {
    const { shape } = saved[0]!;
    return theirs(dy, saved, { axis: tf.util.parseAxisParam((axis ?? shape.map((_, i) => i)) as number[], shape) });
  };
}

/** Replaces wrong and missing gradients. Call after all of TF.js's gradients are registered. */
export function registerGradients(): void {
  const replace = (kernelName: string, gradFunc: tf.GradFunc, inputsToSave: readonly string[]) => {
    if (tf.getGradient(kernelName) !== undefined) tf.unregisterGradient(kernelName);
    const saved = inputsToSave.length === 0 ? { saveAllInputs: true } : { inputsToSave: [...inputsToSave] };
    tf.registerGradient({ kernelName, gradFunc, ...saved });
  };
  for (const [kernelName, names] of Object.entries(COMPOSED)) replace(kernelName, composed(kernelName, names), names);
  replace("Prod", product(tf.getGradient("Prod").gradFunc), ["x"]);
  replace("Cumsum", cumsum, ["x"]);
  replace("AvgPool", averagePool("AvgPool"), ["x"]);
  replace("AvgPool3D", averagePool("AvgPool3D"), ["x"]);
}
