import * as tf from "@tensorflow/tfjs-core";
import { COMPOSITIONS } from "./compositions.ts";
import { poolInfo, windowsOf } from "./convolution_info.ts";

/**
 * Gradients that are those of a composition, by the inputs that they have one for (none: the inputs are a list):
 * - Those of `maximum`, `minimum` and `squaredDifference` forget to sum over what was broadcast.
 * - `einsum` and `cumprod` have none in TF.js.
 * - That of `mirrorPad` forgets what the mirrored elements got.
 * - Those of the resizes forget `halfPixelCenters`; some backends swap height and width.
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
    // One by one, because TF.js disposes of what the gradient of one input leaves before it asks for the next.
    const of = (i: number) => tf.grad((x) => f(saved.with(i, x)))(saved[i]!, dy as tf.Tensor);
    return Object.fromEntries(keys.map((key, i) => [key, () => withinGradient(() => of(i))]));
  };
}

/** TF.js takes the end of an inner gradient for that of the outer one, and then has lost what it recorded. */
function withinGradient<T>(body: () => T): T {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return body();
  } finally {
    state.activeTape = activeTape;
  }
}

/** TF.js turns the axes as if the sum had been along the last one. */
const cumsum: tf.GradFunc = (dy, _, attributes) => {
  const { axis, exclusive, reverse } = attributes as unknown as tf.CumsumAttrs;
  return { x: () => tf.cumsum(dy as tf.Tensor, axis, exclusive, !reverse) };
};

/**
 * TF.js divides by the size of the window also where part of it is padding, which does not count in the mean. A window
 * over what is padded beforehand is whole; its kernel is told of no other.
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

/** TF.js's gradient knows only axes that are counted from the front. */
function product(theirs: tf.GradFunc): tf.GradFunc {
  return (dy, saved, { axis }) => {
    const { shape } = saved[0]!;
    return theirs(dy, saved, { axis: tf.util.parseAxisParam((axis ?? shape.map((_, i) => i)) as number[], shape) });
  };
}

/** Call once all of TF.js's gradients are registered. */
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
