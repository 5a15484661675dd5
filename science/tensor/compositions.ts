import * as tf from "@tensorflow/tfjs-core";
import { convolutionInfo, windowsOf } from "./convolution_info.ts";
import { LAYERS } from "./layer_kernels.ts";
import type { NamedAttrMap, NamedTensorInfoMap } from "@tensorflow/tfjs-core";

/**
 * Kernels of TF.js in terms of its other ops: for the graph, for devices whose own kernel is missing or wrong, and for
 * gradients (`gradients.ts`). The names of inputs and attributes are those of TF.js's `kernel_names.ts`.
 */
// deno-lint-ignore no-explicit-any
type Composition = (inputs: any, attributes: any) => tf.Tensor | tf.Tensor[];

export const COMPOSITIONS: Readonly<Record<string, Composition>> = {
  ...LAYERS,
  Einsum: (inputs, { equation }) => einsum(equation, Object.values(inputs)),
  AddN: (terms) => tf.sum(tf.stack(Object.values<tf.Tensor>(terms)), 0),
  Maximum: ({ a, b }) => tf.where(tf.greaterEqual(a, b), a, b),
  Minimum: ({ a, b }) => tf.where(tf.greaterEqual(b, a), a, b),
  SquaredDifference: ({ a, b }) => tf.square(tf.sub(a, b)),
  OnesLike: ({ x }) => tf.fill(x.shape, 1, x.dtype),
  ZerosLike: ({ x }) => tf.fill(x.shape, 0, x.dtype),
  IsFinite: ({ x }) => tf.less(tf.abs(x), Infinity),
  Step: ({ x }, { alpha }) => {
    const positive = tf.greater(x, 0);
    return alpha ? tf.where(positive, 1, alpha) : tf.cast(positive, x.dtype);
  },
  Relu6: ({ x }) => tf.clipByValue(x, 0, 6),
  LeakyRelu: ({ x }, { alpha }) => leaky(x, alpha),
  Prelu: ({ x, alpha }) => leaky(x, alpha),
  EluGrad: ({ dy, y }) => tf.mul(dy, tf.add(tf.minimum(y, 0), 1)),
  /** The angle of y / x, plus half a turn towards the sign of y where x is negative. */
  Atan2: ({ a: y, b: x }) => {
    const half = tf.where(tf.less(y, 0), -Math.PI, Math.PI);
    const turned = tf.add(tf.atan(tf.div(y, x)), tf.where(tf.less(x, 0), half, 0));
    return tf.where(tf.equal(x, 0), tf.mul(tf.sign(y), Math.PI / 2), turned);
  },
  /** Near zero, where exp(x) - 1 cancels, it is 2 t / (1 - t) with t = tanh(x / 2). */
  Expm1: ({ x }) => {
    const t = tf.tanh(tf.mul(x, 0.5));
    const near = tf.div(tf.mul(t, 2), tf.sub(1, t));
    return tf.where(tf.less(tf.abs(x), 1), near, tf.sub(tf.exp(x), 1));
  },
  /** For values 0 and 1, all is the minimum and any is the maximum. */
  All: ({ x }, { axis, keepDims }) => tf.cast(tf.min(tf.cast(x, "int32"), axis, keepDims), "bool"),
  Any: ({ x }, { axis, keepDims }) => tf.cast(tf.max(tf.cast(x, "int32"), axis, keepDims), "bool"),
  Pack: (parts, { axis }) => tf.concat(Object.values<tf.Tensor>(parts).map((part) => tf.expandDims(part, axis)), axis),
  Unpack: ({ value }, { axis }) => tf.split(value, value.shape.at(axis), axis).map((part) => tf.squeeze(part, [axis])),
  SplitV: ({ x }, { numOrSizeSplits, axis }) => {
    const [along] = tf.util.parseAxisParam(axis, x.shape) as [number];
    let next = 0;
    return tf.backend_util.prepareSplitSize(x, numOrSizeSplits, along).map((length) => {
      const begin = x.shape.map((_: number, i: number) => i === along ? next : 0);
      next += length;
      return tf.slice(x, begin, x.shape.with(along, length));
    });
  },
  OneHot: ({ indices }, { depth, onValue, offValue, dtype }) => {
    const hot = tf.equal(tf.expandDims(indices, -1), tf.range(0, depth, 1, "int32"));
    if (onValue === 1 && offValue === 0) return tf.cast(hot, dtype);
    return tf.where(hot, tf.scalar(onValue, dtype), tf.scalar(offValue, dtype));
  },
  /** The gradient of a gather. A matrix product sums in a fixed order, which scatters do not promise. */
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }) => {
    const member = tf.oneHot(tf.reshape(segmentIds, [-1]), numSegments, 1, 0, x.dtype);
    const sums = tf.matMul(member, tf.reshape(x, [segmentIds.size, -1]), true);
    return tf.reshape(sums, [numSegments, ...x.shape.slice(segmentIds.rank)]);
  },
  Cumsum: ({ x }, attributes) => scan(x, attributes, tf.add, 0),
  Cumprod: ({ x }, attributes) => scan(x, attributes, tf.mul, 1),
  /** Kahan's method: the rounding of u = 1 + x also affects the quotient log(u) / (u - 1), which corrects it. */
  Log1p: ({ x }) => {
    const u = tf.add(x, 1);
    const rounded = tf.sub(u, 1);
    const corrected = tf.mul(tf.log(u), tf.div(x, rounded));
    return tf.where(tf.equal(u, 1), x, tf.where(tf.equal(rounded, x), tf.log(u), corrected));
  },
  MirrorPad: ({ x }, { paddings, mode }) =>
    x.shape.reduce((padded: tf.Tensor, length: number, axis: number) => {
      const [before, after] = paddings[axis];
      const edge = mode === "reflect" ? 1 : 0;
      const at = Array.from({ length: before + length + after }, (_, i) => {
        const from = i < before ? before - i - 1 + edge : i - before;
        return from < length ? from : 2 * length - 1 - edge - from;
      });
      return before + after === 0 ? padded : tf.gather(padded, tf.tensor1d(at, "int32"), axis);
    }, x),
  ResizeBilinear: ({ images }, attributes) => resize(images, attributes, false),
  ResizeNearestNeighbor: ({ images }, attributes) => resize(images, attributes, true),
  SpaceToBatchND: ({ x }, { blockShape, paddings }) =>
    blocks(tf.pad(x, x.shape.map((_: number, axis: number) => paddings[axis - 1] ?? [0, 0])), blockShape, false),
  BatchToSpaceND: ({ x }, { blockShape, crops }) => {
    const y = blocks(x, blockShape, true);
    const { getSliceBeginCoords, getSliceSize } = tf.backend_util;
    return tf.slice(y, getSliceBeginCoords(crops, crops.length), getSliceSize(y.shape, crops, crops.length));
  },
  /** A convolution, without stride, of dY, spread by the strides, with the flipped filter. */
  Conv2DBackpropInput: ({ dy, filter }, { inputShape, ...sizes }) => {
    const { kernel, strides, pads } = windowsOf(convolutionInfo(inputShape, filter.shape, sizes));
    const spread = spreadAxis(spreadAxis(dy, 1, strides[0]!), 2, strides[1]!);
    // Zeros before and after restore the size of the image. If their number is negative, the ends of dY affect no pixel
    // and are cut off.
    const before = [0, 1].map((axis) => kernel[axis]! - 1 - pads[axis]!);
    const after = [0, 1].map((axis) => inputShape[1 + axis] + pads[axis]! - spread.shape[1 + axis]!);
    const cut = (counts: number[]) => [0, ...counts.map((count) => Math.max(-count, 0)), 0];
    const [first, last] = [cut(before), cut(after)];
    const seen = tf.slice(spread, first, spread.shape.map((size, axis) => size - first[axis]! - last[axis]!));
    const zeros = [0, 1].map((axis): [number, number] => [Math.max(before[axis]!, 0), Math.max(after[axis]!, 0)]);
    // Some backends copy whole taps much faster than they reverse axes.
    const taps = tf.split(tf.reshape(filter, [-1, ...filter.shape.slice(2)]), kernel[0]! * kernel[1]!).reverse();
    const turned = tf.reshape(tf.transpose(tf.concat(taps), [0, 2, 1]), [...kernel, filter.shape[3], filter.shape[2]]);
    return tf.conv2d(seen as tf.Tensor4D, turned as tf.Tensor4D, 1, [[0, 0], zeros[0]!, zeros[1]!, [0, 0]]);
  },
  /**
   * One product for each tap of the filter: the pixels that the tap read, times the gradients of the pixels that they
   * contributed to.
   */
  Conv2DBackpropFilter: ({ x, dy }, { filterShape, ...sizes }) => {
    const { kernel: [height, width], strides, pads } = windowsOf(convolutionInfo(x.shape, filterShape, sizes));
    const padded = tf.pad(x, [[0, 0], [pads[0]!, pads[2]!], [pads[1]!, pads[3]!], [0, 0]]);
    const rows = tf.reshape(dy, [-1, filterShape[3]]);
    const taps = Array.from({ length: height! * width! }, (_, tap) => {
      const [top, left] = [Math.floor(tap / width!), tap % width!];
      const [bottom, right] = [top, left].map((first, axis) => first + (dy.shape[1 + axis] - 1) * strides[axis]! + 1);
      const [from, to] = [[0, top, left, 0], [x.shape[0], bottom!, right!, x.shape[3]]];
      // Without strides this is a slice: TF.js's strided slice on wasm does not use our own kernel, which copies only
      // the part.
      const seen = strides.every((step) => step === 1)
        ? tf.slice(padded, from, to.map((end, axis) => end - from[axis]!))
        : tf.stridedSlice(padded, from, to, [1, ...strides, 1]);
      return tf.matMul(tf.reshape(seen, [-1, x.shape[3]]), rows, true);
    });
    return tf.reshape(tf.concat(taps), filterShape);
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
    const numbers = tf.range(0, channels);
    const distance = tf.abs(tf.sub(tf.reshape(numbers, [channels, 1]), numbers));
    const band = tf.cast(tf.lessEqual(distance, depthRadius), "float32");
    const sums = tf.reshape(tf.matMul(tf.reshape(tf.square(x), [-1, channels]), band), x.shape);
    return tf.mul(x, tf.pow(tf.add(bias, tf.mul(alpha, sums)), -beta));
  },
};

/** Computes the output of a kernel by its composition. */
export function compose(kernelName: string, inputs: tf.NamedTensorInfoMap, attributes: unknown) {
  return tf.tidy(() => {
    const y = COMPOSITIONS[kernelName]!(inputs, attributes);
    // The output must be a new tensor, even if it equals an input.
    return y instanceof tf.Tensor && Object.values(inputs).includes(y) ? tf.clone(y) : y;
  });
}

/** Registers compositions for the kernels that a TF.js backend lacks, or whose results are wrong. */
export function registerCompositions(backendName: string): void {
  for (const kernelName of Object.keys(COMPOSITIONS)) {
    const theirs = tf.getKernel(kernelName, backendName) !== undefined;
    if (theirs && FAULTS[backendName]?.[kernelName] === undefined) continue;
    if (theirs) tf.unregisterKernel(kernelName, backendName);
    const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => compose(kernelName, inputs, attrs);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
}

function leaky(x: tf.Tensor, slope: tf.Tensor | number): tf.Tensor {
  return tf.where(tf.greater(x, 0), x, tf.mul(x, slope));
}

/** Inserts zeros after each element of an axis, so that elements are `stride` apart. */
function spreadAxis(x: tf.Tensor, axis: number, stride: number): tf.Tensor {
  if (stride === 1) return x;
  const rest = tf.util.sizeFromShape(x.shape.slice(axis + 1));
  const places = tf.reshape(x, [x.size / rest, 1, rest]);
  const spread = tf.concat([places, tf.zeros([x.size / rest, stride - 1, rest])], 1);
  return tf.reshape(spread, x.shape.with(axis, x.shape[axis]! * stride));
}

/** Moves blocks of pixels to the batch axis, or back. */
function blocks(x: tf.Tensor, shape: number[], toSpace: boolean): tf.Tensor {
  const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
  const count = tf.util.sizeFromShape(shape);
  const parts = tf.reshape(x, getReshaped(x.shape, shape, count, toSpace));
  const moved = tf.transpose(parts, getPermuted(parts.rank, shape.length, toSpace));
  return tf.reshape(moved, getReshapedPermuted(x.shape, shape, count, toSpace));
}

/**
 * Computes a cumulative result in log2(n) steps, each of which joins the whole with itself, shifted twice as far as in
 * the step before.
 */
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

/** Computes an einsum as one matrix product: axes that occur once are summed, and the others are grouped into three. */
function einsum(equation: string, tensors: tf.Tensor[]): tf.Tensor {
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors);
  const [terms, [out]] = equation.replace(/\s/g, "").split("->").map((side) => side.split(",")) as [string[], [string]];
  const sizes = new Map(
    terms.flatMap((term, i) => [...term].map((axis, at) => [axis, tensors[i]!.shape[at]!] as const)),
  );
  const shapeOf = (axes: string) => [...axes].map((axis) => sizes.get(axis)!);
  const moved = (x: tf.Tensor, from: string, to: string) => tf.transpose(x, [...to].map((axis) => from.indexOf(axis)));
  const common = (a: string, b: string) => [...a].filter((axis) => b.includes(axis)).join("");
  const without = (a: string, b: string) => [...a].filter((axis) => !b.includes(axis)).join("");
  const kept = terms.map((term, i) => common(term, out + (terms[1 - i] ?? "")));
  const summed = tensors.map((x, i) => {
    const lone = [...without(terms[i]!, kept[i]!)].map((axis) => terms[i]!.indexOf(axis));
    return lone.length === 0 ? x : tf.sum(x, lone);
  });
  const [left, right] = kept as [string, string | undefined];
  if (right === undefined) return moved(summed[0]!, left, out);
  const shared = common(left, right);
  const [batch, inner, rows, columns] = [
    common(shared, out),
    without(shared, out),
    without(left, right),
    without(right, left),
  ];
  const matrices = (i: number, parts: string[]) =>
    tf.reshape(moved(summed[i]!, kept[i]!, parts.join("")), parts.map((part) => tf.util.sizeFromShape(shapeOf(part))));
  const product = tf.matMul(matrices(0, [batch, rows, inner]), matrices(1, [batch, inner, columns]));
  return moved(tf.reshape(product, shapeOf(batch + rows + columns)), batch + rows + columns, out);
}

/** Resizes by a product with a matrix for each axis, which holds the shares of old pixels in each new pixel. */
function resize(images: tf.Tensor, attributes: tf.ResizeBilinearAttrs, nearest: boolean): tf.Tensor {
  const { size, alignCorners, halfPixelCenters } = attributes;
  const [batch, , width, channels] = images.shape as [number, number, number, number];
  const resized = size.reduce((x: tf.Tensor, to, axis) => {
    const from = images.shape[1 + axis]!;
    const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
    const shares = tf.buffer([to, from]);
    for (let row = 0; row < to; row++) {
      const start = ratio * (halfPixelCenters ? row + 0.5 : row);
      const place = nearest
        ? (alignCorners ? Math.round(start) : start)
        : Math.max(0, start - (halfPixelCenters ? 0.5 : 0));
      const low = Math.min(from - 1, Math.floor(place));
      const high = nearest || low + 1 === from ? 0 : place - low;
      shares.set(1 - high, row, low);
      if (high > 0) shares.set(high, row, low + 1);
    }
    return tf.matMul(shares.toTensor(), tf.reshape(x, [-1, from, axis === 0 ? width * channels : channels]));
  }, tf.cast(images, "float32"));
  return tf.reshape(resized, [batch, ...size, channels]);
}

/** Returns true if a kernel computes a wrong result for these inputs and attributes. */
type Fault = (inputs: NamedTensorInfoMap, attributes: NamedAttrMap) => boolean;

/** If the stride is larger than the window, XNNPACK reads the "same" padding as a huge number. */
const longStride: Fault = ({ filter }, { pad, strides }) => {
  const kernel = filter!.shape.slice(0, 2);
  const steps = [strides as number | number[]].flat();
  return pad === "same" && Math.max(...kernel) > 1 && kernel.some((size, axis) => (steps[axis] ?? steps[0]!) > size);
};

const always = (kernels: string): Record<string, Fault> =>
  Object.fromEntries(kernels.split(" ").map((kernelName) => [kernelName, () => true]));

/**
 * Kernels of TF.js 4.22 with wrong results, as the parity tests found them, or that are far too slow, by backend. A
 * kernel that can be composed of others is replaced; a function that calls any other is refused
 * when it is compiled.
 *
 * - wasm: maxima start from the smallest positive number, and never see a negative one.
 * - wasm: the gradient of a convolution by the image is right, but 35 times slower than the convolution; that of webgpu
 *   reads everything again for each result.
 * - wasm: one-hot vectors of floats hold the bits of integers.
 * - wasm: splitting copies the whole tensor for each part.
 * - wasm and webgpu: log1p is log(1 + x), which is all rounding for small x.
 * - cpu and webgpu: einsum does not sum the axes that only one operand has.
 * - webgpu: sums of many tensors bind all of them to one shader, which has eight buffers on many adapters.
 * - webgpu: cumulative sums and products are wrong in reverse, and the shader that pads supports only four axes.
 */
export const FAULTS: Readonly<Record<string, Readonly<Record<string, Fault>>>> = {
  cpu: always("MaxPool3DGrad Einsum"),
  wasm: {
    ...always("Conv2DBackpropInput MaxPoolGrad MaxPool3D MaxPool3DGrad Conv3DBackpropInputV2 Conv3DBackpropFilterV2"),
    ...always("Log1p SplitV"),
    OneHot: (_, { dtype }) => dtype !== "int32",
    Conv2D: longStride,
    DepthwiseConv2dNative: longStride,
  },
  webgpu: {
    ...always("AddN Conv2DBackpropInput MaxPool3DGrad Einsum Log1p Cumsum Cumprod"),
    PadV2: ({ x }) => x!.shape.length > 4,
  },
  tensorflow: { GatherV2: (_, { axis }) => Number(axis) < 0 },
};
