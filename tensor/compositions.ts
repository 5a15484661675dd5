import * as tf from "@tensorflow/tfjs-core";
import { FAULTS } from "./faults.ts";
import { convolutionInfo, windowsOf } from "./convolution_info.ts";

/**
 * Kernels of TF.js in terms of its other ops: for the graph, for devices that lack a kernel, and for gradients, where
 * those of TF.js are wrong or absent. The names of inputs and attributes are those of its `kernel_names.ts`.
 */
// deno-lint-ignore no-explicit-any
type Tensors = any;
// deno-lint-ignore no-explicit-any
export type Composition = (inputs: Tensors, attributes: any) => tf.Tensor;

export const COMPOSITIONS: Readonly<Record<string, Composition>> = {
  Einsum: (inputs, { equation }) => einsum(equation, Object.values(inputs)),
  Cumsum: ({ x }, attributes) => scan(x, attributes, tf.add, 0),
  Cumprod: ({ x }, attributes) => scan(x, attributes, tf.mul, 1),
  /** Kahan's way: what rounding did to u = 1 + x, it did to the quotient log(u) / (u - 1) as well. */
  Log1p: ({ x }) => {
    const u = tf.add(x, 1);
    const rounded = tf.sub(u, 1);
    const corrected = tf.mul(tf.log(u), tf.div(x, rounded));
    return tf.where(tf.equal(u, 1), x, tf.where(tf.equal(rounded, x), tf.log(u), corrected));
  },
  MirrorPad: ({ x }, { paddings, mode }) =>
    (paddings as [number, number][]).reduce((padded: tf.Tensor, [before, after], axis) => {
      if (before + after === 0) return padded;
      const length = x.shape[axis];
      const last = mode === "reflect" ? length - 1 : length;
      const at = Array.from({ length: before + length + after }, (_, i) => {
        const from = i - before;
        if (from < 0) return mode === "reflect" ? -from : -from - 1;
        return from < length ? from : 2 * last - from - (mode === "reflect" ? 0 : 1);
      });
      return tf.gather(padded, tf.tensor1d(at, "int32"), axis);
    }, x),
  /** A product with a matrix for each axis. */
  ResizeBilinear: ({ images }, attributes) => {
    const [batch, height, width, channels] = images.shape;
    const [rows, columns] = attributes.size;
    const down = interpolation(height, rows, attributes);
    const across = interpolation(width, columns, attributes);
    const x = tf.reshape(tf.cast(images, "float32"), [batch, height, width * channels]);
    const tall = tf.reshape(tf.matMul(down, x), [batch * rows, width, channels]);
    return tf.reshape(tf.matMul(across, tall), [batch, rows, columns, channels]);
  },
  ResizeNearestNeighbor: ({ images }, attributes) =>
    [1, 2].reduce((x, axis) => {
      const { alignCorners } = attributes;
      const last = images.shape[axis] - 1;
      const at = sources(last + 1, attributes.size[axis - 1], attributes, 0);
      const nearest = at.map((place) =>
        Math.max(0, Math.min(last, alignCorners ? Math.round(place) : Math.floor(place)))
      );
      return tf.gather(x, tf.tensor1d(nearest, "int32"), axis);
    }, images as tf.Tensor),
  SpaceToBatchND: ({ x }, { blockShape, paddings }) => {
    const rest = x.shape.slice(1 + blockShape.length).map(() => [0, 0]);
    const padded = tf.pad(x, [[0, 0], ...paddings, ...rest]);
    const count = tf.util.sizeFromShape(blockShape);
    const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
    const blocks = tf.reshape(padded, getReshaped(padded.shape, blockShape, count, false));
    const moved = tf.transpose(blocks, getPermuted(blocks.rank, blockShape.length, false));
    return tf.reshape(moved, getReshapedPermuted(padded.shape, blockShape, count, false));
  },
  BatchToSpaceND: ({ x }, { blockShape, crops }) => {
    const count = tf.util.sizeFromShape(blockShape);
    const { getReshaped, getPermuted, getReshapedPermuted, getSliceBeginCoords, getSliceSize } = tf.backend_util;
    const blocks = tf.reshape(x, getReshaped(x.shape, blockShape, count));
    const moved = tf.transpose(blocks, getPermuted(blocks.rank, blockShape.length));
    const whole = getReshapedPermuted(x.shape, blockShape, count);
    const size = getSliceSize(whole, crops, blockShape.length);
    return tf.slice(tf.reshape(moved, whole), getSliceBeginCoords(crops, blockShape.length), size);
  },
  FusedBatchNorm: ({ x, mean, variance, offset, scale }, { varianceEpsilon }) => {
    if (!scale && tf.engine().state.gradientDepth > 0) {
      throw new Error("batchNorm without a scale has no gradient in TF.js. Fix: give it a scale of ones");
    }
    const y = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, varianceEpsilon)));
    return tf.add(tf.mul(y, scale ?? 1), offset ?? 0);
  },
  /** Krizhevsky et al. 2012, section 3.3; a product with a band of ones sums over neighbouring channels. */
  LRN: ({ x }, { depthRadius, bias, alpha, beta }) => {
    const channels = x.shape[3];
    const near = (i: number) => Math.abs(Math.floor(i / channels) - i % channels) <= depthRadius ? 1 : 0;
    const band = tf.tensor2d(Float32Array.from({ length: channels ** 2 }, (_, i) => near(i)), [channels, channels]);
    const sums = tf.reshape(tf.matMul(tf.reshape(tf.square(x), [-1, channels]), band), x.shape);
    return tf.mul(x, tf.pow(tf.add(bias, tf.mul(alpha, sums)), -beta));
  },
  /** Pixel shuffle. */
  DepthToSpace: ({ x }, { blockSize, dataFormat }) => {
    if (dataFormat !== "NHWC") throw new Error(`dataFormat must be "NHWC": got "${dataFormat}"`);
    const [batch, height, width, channels] = x.shape;
    const blocks = tf.reshape(x, [batch, height, width, blockSize, blockSize, channels / blockSize ** 2]);
    const shape = [batch, height * blockSize, width * blockSize, channels / blockSize ** 2];
    return tf.reshape(tf.transpose(blocks, [0, 1, 3, 2, 4, 5]), shape);
  },
  LinSpace: (_, { start, stop, num }) => {
    const step = num === 1 ? 0 : (stop - start) / (num - 1);
    return tf.tensor1d(Array.from({ length: num }, (_, i) => start + i * step));
  },
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attributes) =>
    gradients((x) => depthwise(x!, filter, attributes), [tf.zeros(attributes.inputShape)], dy)[0]!,
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attributes) =>
    gradients((filter) => depthwise(x, filter!, attributes), [tf.zeros(attributes.filterShape)], dy)[0]!,
  FusedConv2D: (inputs, attributes) => {
    const { strides, pad, dataFormat, dilations, dimRoundingMode } = attributes;
    const y = tf.conv2d(inputs.x, inputs.filter, strides, pad, dataFormat, dilations, dimRoundingMode);
    return activated(y, inputs, attributes);
  },
  FusedDepthwiseConv2D: (inputs, attributes) => {
    const { strides, pad, dilations, dimRoundingMode } = attributes;
    const y = tf.depthwiseConv2d(inputs.x, inputs.filter, strides, pad, "NHWC", dilations, dimRoundingMode);
    return activated(y, inputs, attributes);
  },
  _FusedMatMul: (inputs, attributes) =>
    activated(tf.matMul(inputs.a, inputs.b, attributes.transposeA, attributes.transposeB), inputs, attributes),
};

/** The output of a kernel as its composition has it. */
export function compose(kernelName: string, inputs: tf.NamedTensorInfoMap, attributes: unknown): tf.Tensor {
  return tf.tidy(() => {
    const y = COMPOSITIONS[kernelName]!(inputs, attributes);
    // An output of its own, also where nothing is to be done.
    return Object.values(inputs).includes(y) ? tf.clone(y) : y;
  });
}

/** Give a backend of TF.js the kernels that it lacks, or whose results are wrong. */
export function registerCompositions(backendName: string): void {
  for (const kernelName of Object.keys(COMPOSITIONS)) {
    if (tf.getKernel(kernelName, backendName) !== undefined) {
      if (FAULTS[backendName]?.[kernelName] === undefined) continue;
      tf.unregisterKernel(kernelName, backendName);
    }
    const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => compose(kernelName, inputs, attrs);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
}

/**
 * `tf.grads` for use where TF.js is within a kernel, or within a gradient: it takes both for the end of what it records.
 * Within a gradient of a gradient it records as always, so that there can be another.
 */
export function gradients(f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const { state } = tf.engine();
  const { activeTape, gradientDepth, kernelDepth } = state;
  if (gradientDepth > 0 && kernelDepth === 0) return tf.grads(f)(inputs, dy);
  Object.assign(state, { gradientDepth: 0, kernelDepth: 0 });
  try {
    return tf.grads(f)(inputs, dy);
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

/** log2(n) steps, each of which joins the whole with itself, shifted twice as far as in the step before. */
function scan(
  x: tf.Tensor,
  { axis, exclusive, reverse }: tf.CumsumAttrs,
  join: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  neutral: number,
): tf.Tensor {
  const [at] = tf.util.parseAxisParam(axis, x.shape) as [number];
  const shifted = (y: tf.Tensor, by: number) => {
    const paddings = x.shape.map((size, i): [number, number] => [i === at ? Math.min(by, size) : 0, 0]);
    return tf.slice(tf.pad(y, paddings, neutral), x.shape.map(() => 0), x.shape);
  };
  let y = reverse ? tf.reverse(x, at) : x;
  if (exclusive) y = shifted(y, 1);
  for (let by = 1; by < x.shape[at]!; by *= 2) y = join(y, shifted(y, by));
  return reverse ? tf.reverse(y, at) : y;
}

/** A matrix product of what is left when the axes that occur once are summed and the others are gathered in three. */
function einsum(equation: string, tensors: tf.Tensor[]): tf.Tensor {
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors);
  const [terms, out] = equation.replace(/\s/g, "").split("->").map((side) => side.split(",")) as [string[], string[]];
  const to = [...out[0]!];
  const sizes = new Map(
    terms.flatMap((term, i) => [...term].map((axis, at) => [axis, tensors[i]!.shape[at]!] as const)),
  );
  const shapeOf = (axes: readonly string[]) => axes.map((axis) => sizes.get(axis)!);
  const moved = (x: tf.Tensor, from: readonly string[], order: readonly string[]) =>
    tf.transpose(x, order.map((axis) => from.indexOf(axis)));
  const [left, right] = terms.map((term, i) => {
    const kept = [...term].filter((axis) => to.includes(axis) || terms[1 - i]?.includes(axis));
    return { x: tf.sum(tensors[i]!, [...term].flatMap((axis, at) => kept.includes(axis) ? [] : [at])), axes: kept };
  });
  if (right === undefined) return moved(left!.x, left!.axes, to);
  const shared = left!.axes.filter((axis) => right.axes.includes(axis));
  const [batch, inner] = [shared.filter((axis) => to.includes(axis)), shared.filter((axis) => !to.includes(axis))];
  const own = [left!, right].map(({ axes }) => axes.filter((axis) => !shared.includes(axis)));
  const matrices = ({ x, axes }: { x: tf.Tensor; axes: string[] }, rows: string[], columns: string[]) => {
    const parts = [batch, rows, columns];
    return tf.reshape(moved(x, axes, parts.flat()), parts.map((part) => tf.util.sizeFromShape(shapeOf(part))));
  };
  const product = tf.matMul(matrices(left!, own[0]!, inner), matrices(right, inner, own[1]!));
  const all = [...batch, ...own.flat()];
  return moved(tf.reshape(product, shapeOf(all)), all, to);
}

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** Where each pixel of an axis of a resized image comes from, as TF.js's resize has it. */
function sources(
  from: number,
  to: number,
  { alignCorners, halfPixelCenters }: ResizeAttributes,
  shift: number,
): number[] {
  const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, i) => halfPixelCenters ? ratio * (i + 0.5) - shift : ratio * i);
}

/** [to, from]: the shares of the two nearest pixels. */
function interpolation(from: number, to: number, attributes: ResizeAttributes): tf.Tensor2D {
  const matrix = tf.buffer([to, from]);
  sources(from, to, attributes, 0.5).forEach((place, row) => {
    const low = Math.max(0, Math.floor(place));
    const high = Math.min(from - 1, Math.max(0, Math.ceil(place)));
    const share = low === high ? 0 : place - low;
    matrix.set(1 - share, row, low);
    if (share > 0) matrix.set(share, row, high);
  });
  return matrix.toTensor() as tf.Tensor2D;
}

/** A depthwise convolution by one product for each tap, all of whose operations have a gradient. */
function depthwise(x: tf.Tensor, filter: tf.Tensor, attributes: tf.DepthwiseConv2dNativeAttrs): tf.Tensor {
  const { kernel, strides, dilations, pads, output } = windowsOf(
    convolutionInfo(x.shape, filter.shape, attributes, attributes.dilations, true),
  );
  const [batch, channels, multiplier] = [x.shape[0]!, filter.shape[2]!, filter.shape[3]!];
  const [rows, columns] = [output[1]!, output[2]!];
  const [down, across] = strides as [number, number];
  const taken = [rows * down, columns * across];
  const paddings = taken.map((count, axis): [number, number] => {
    const needed = (kernel[axis]! - 1) * dilations[axis]! + count;
    return [pads[axis]!, Math.max(0, needed - pads[axis]! - x.shape[1 + axis]!)];
  });
  const padded = tf.pad(x, [[0, 0], ...paddings, [0, 0]]);
  const taps: tf.Tensor[] = [];
  for (let ky = 0; ky < kernel[0]!; ky++) {
    for (let kx = 0; kx < kernel[1]!; kx++) {
      const begin = [0, ky * dilations[0]!, kx * dilations[1]!, 0];
      const seen = tf.slice(padded, begin, [batch, ...taken, channels]);
      const blocks = tf.reshape(seen, [batch * rows, down, columns, across * channels]);
      const pixels = tf.slice(blocks, [0, 0, 0, 0], [batch * rows, 1, columns, channels]);
      const weights = tf.reshape(tf.slice(filter, [ky, kx, 0, 0], [1, 1, channels, multiplier]), [
        channels,
        multiplier,
      ]);
      taps.push(tf.mul(tf.reshape(pixels, [batch * rows * columns, channels, 1]), weights));
    }
  }
  return tf.reshape(tf.addN(taps), [...output]);
}

function activated(
  y: tf.Tensor,
  { bias, preluActivationWeights }: Tensors,
  attributes: tf.FusedConv2DAttrs,
): tf.Tensor {
  const { activation, leakyreluAlpha } = attributes;
  const sum = bias ? tf.add(y, bias) : y;
  return tf.backend_util.applyActivation(sum, activation, preluActivationWeights, leakyreluAlpha);
}
