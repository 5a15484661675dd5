import * as tf from "@tensorflow/tfjs-core";
import { COMPOSITIONS, gradients } from "./compositions.ts";
import { poolInfo, windowsOf } from "./convolution_info.ts";

/**
 * Gradients in the place of those of TF.js that are wrong or absent:
 * - `einsum`, `cumprod`, `depthToSpace` have none.
 * - `mirrorPad` forgets what the mirrored elements got.
 * - `resizeBilinear` forgets `halfPixelCenters`, and on some backends swaps height and width.
 * - `resizeNearestNeighbor` forgets it too.
 * - `localResponseNormalization` needs a kernel that some backends do not have.
 */
const COMPOSED: Readonly<Record<string, readonly string[] | "all">> = {
  Einsum: "all",
  Cumprod: ["x"],
  DepthToSpace: ["x"],
  MirrorPad: ["x"],
  ResizeBilinear: ["images"],
  ResizeNearestNeighbor: ["images"],
  LRN: ["x"],
};

function composedGradient(kernelName: string): tf.GradFunc {
  const names = COMPOSED[kernelName]!;
  return (dy, saved, attributes) => {
    const keys = names === "all" ? saved.map((_, i) => String(i)) : names;
    const f = (...inputs: tf.Tensor[]) =>
      COMPOSITIONS[kernelName]!(Object.fromEntries(keys.map((key, i) => [key, inputs[i]])), attributes);
    // One by one, because TF.js disposes of what the gradient of one input leaves before it asks for the next.
    const of = (at: number) => () => gradients((x) => f(...saved.with(at, x!)), [saved[at]!], dy as tf.Tensor)[0]!;
    return Object.fromEntries(keys.map((key, i) => [key, of(i)]));
  };
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
      const { kernel, strides, pads, output } = windowsOf(poolInfo(x!.shape, attributes as unknown as tf.AvgPoolAttrs));
      const axes = kernel.length;
      const shares = kernel.reduce((share, size, axis) => {
        const shape = output.map((length, i) => i === 1 + axis ? length : 1);
        const factors = Array.from({ length: output[1 + axis]! }, (_, at) => {
          const start = at * strides[axis]! - pads[axis]!;
          return size / (Math.min(start + size, x!.shape[1 + axis]!) - Math.max(start, 0));
        });
        return factors.every((factor) => factor === 1) ? share : tf.mul(share, tf.tensor(factors, shape));
      }, dy as tf.Tensor);
      const padded = x!.shape.map((size, i) => i > 0 && i <= axes ? size + pads[i - 1]! + pads[axes + i - 1]! : size);
      const options = { filterSize: kernel, strides, pad: "valid" };
      const dx = tf.engine().runKernel(kernelName, { dy: shares, input: tf.zeros(padded) }, options) as tf.Tensor;
      return tf.slice(dx, [0, ...pads.slice(0, axes), 0], x!.shape);
    },
  });
}

/** TF.js's gradient knows the axes only counted from the front. */
function product(theirs: tf.GradFunc): tf.GradFunc {
  return (dy, saved, { axis }) => {
    const { shape } = saved[0]!;
    return theirs(dy, saved, { axis: tf.util.parseAxisParam((axis ?? shape.map((_, i) => i)) as number[], shape) });
  };
}

/** TF.js forgets to sum over what was broadcast. */
function unbroadcast(theirs: tf.GradFunc): tf.GradFunc {
  return (dy, saved, attributes) => {
    const found = theirs(dy, saved, attributes);
    const reduced = (name: string, { shape }: tf.Tensor) => () => {
      const gradient = found[name]!();
      const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
      return tf.util.arraysEqual(shape, gradient.shape) ? gradient : tf.reshape(tf.sum(gradient, axes), shape);
    };
    return { a: reduced("a", saved[0]!), b: reduced("b", saved[1]!) };
  };
}

/** Call once all of TF.js's gradients are registered. */
export function registerGradients(): void {
  const replace = (kernelName: string, config: Omit<tf.GradConfig, "kernelName">) => {
    if (tf.getGradient(kernelName) !== undefined) tf.unregisterGradient(kernelName);
    tf.registerGradient({ kernelName, ...config });
  };
  for (const [kernelName, names] of Object.entries(COMPOSED)) {
    const saves = names === "all" ? { saveAllInputs: true } : { inputsToSave: [...names] };
    replace(kernelName, { ...saves, gradFunc: composedGradient(kernelName) });
  }
  const theirs = (kernelName: string) => tf.getGradient(kernelName).gradFunc;
  for (const kernelName of ["Maximum", "Minimum", "SquaredDifference"]) {
    replace(kernelName, { inputsToSave: ["a", "b"], gradFunc: unbroadcast(theirs(kernelName)) });
  }
  replace("Prod", { inputsToSave: ["x"], gradFunc: product(theirs("Prod")) });
  replace("Cumsum", { gradFunc: cumsum });
  replace("AvgPool", { inputsToSave: ["x"], gradFunc: averagePool("AvgPoolGrad") });
  replace("AvgPool3D", { inputsToSave: ["x"], gradFunc: averagePool("AvgPool3DGrad") });
}
