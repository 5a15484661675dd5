import * as tf from "@tensorflow/tfjs-core";
import { FAULTS } from "./faults.ts";

/**
 * Kernels of TF.js in terms of its other ops: for the graph, for devices whose own kernel is absent or wrong, and for
 * gradients (`gradients.ts`). The names of inputs and attributes are those of TF.js's `kernel_names.ts`.
 */
// deno-lint-ignore no-explicit-any
export type Composition = (inputs: any, attributes: any) => tf.Tensor;

const { getReshaped, getPermuted, getReshapedPermuted, getSliceBeginCoords, getSliceSize } = tf.backend_util;

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
    x.shape.reduce((padded: tf.Tensor, length: number, axis: number) => {
      const [before, after] = paddings[axis];
      const edge = mode === "reflect" ? 1 : 0;
      const at = Array.from({ length: before + length + after }, (_, i) => {
        const from = i < before ? before - i - 1 + edge : i - before;
        return from < length ? from : 2 * length - 1 - edge - from;
      });
      return before + after === 0 ? padded : tf.gather(padded, tf.tensor1d(at, "int32"), axis);
    }, x),
  ResizeBilinear: ({ images }, attributes) => resize(images, attributes, bilinear),
  ResizeNearestNeighbor: ({ images }, attributes) => resize(images, attributes, nearest),
  SpaceToBatchND: ({ x }, { blockShape, paddings }) => {
    const padded = tf.pad(x, x.shape.map((_: number, axis: number) => paddings[axis - 1] ?? [0, 0]));
    const count = tf.util.sizeFromShape(blockShape);
    const blocks = tf.reshape(padded, getReshaped(padded.shape, blockShape, count, false));
    const moved = tf.transpose(blocks, getPermuted(blocks.rank, blockShape.length, false));
    return tf.reshape(moved, getReshapedPermuted(padded.shape, blockShape, count, false));
  },
  BatchToSpaceND: ({ x }, { blockShape, crops }) => {
    const count = tf.util.sizeFromShape(blockShape);
    const blocks = tf.reshape(x, getReshaped(x.shape, blockShape, count));
    const whole = getReshapedPermuted(x.shape, blockShape, count);
    const y = tf.reshape(tf.transpose(blocks, getPermuted(blocks.rank, blockShape.length)), whole);
    return tf.slice(y, getSliceBeginCoords(crops, blockShape.length), getSliceSize(whole, crops, blockShape.length));
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
    const theirs = tf.getKernel(kernelName, backendName) !== undefined;
    if (theirs && FAULTS[backendName]?.[kernelName] === undefined) continue;
    if (theirs) tf.unregisterKernel(kernelName, backendName);
    const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => compose(kernelName, inputs, attrs);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
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

/** A matrix product, when axes that occur once are summed and the others are gathered in three. */
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
  const summed = tensors.map((x, i) =>
    tf.sum(x, [...without(terms[i]!, kept[i]!)].map((axis) => terms[i]!.indexOf(axis)))
  );
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

interface ResizeAttributes {
  readonly size: readonly [number, number];
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** The shares of pixels of an axis of `length` in a pixel of the result, from the place in it as TF.js has it. */
type Sampling = (place: number, length: number, attributes: ResizeAttributes) => readonly (readonly [number, number])[];

const bilinear: Sampling = (start, length, { halfPixelCenters }) => {
  const place = Math.max(0, start - (halfPixelCenters ? 0.5 : 0));
  const low = Math.min(length - 1, Math.floor(place));
  return [[low, 1 - (place - low)], [Math.min(length - 1, low + 1), place - low]];
};

const nearest: Sampling = (place, length, { alignCorners }) => [
  [Math.min(length - 1, alignCorners ? Math.round(place) : Math.floor(place)), 1],
];

/** A product with a matrix for each axis. */
function resize(images: tf.Tensor, attributes: ResizeAttributes, sampling: Sampling): tf.Tensor {
  const [batch, height, width, channels] = images.shape as [number, number, number, number];
  const { size: [rows, columns], alignCorners, halfPixelCenters } = attributes;
  const matrix = (from: number, to: number) => {
    const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
    const shares = tf.buffer([to, from]);
    for (let row = 0; row < to; row++) {
      for (const [at, share] of sampling(ratio * (halfPixelCenters ? row + 0.5 : row), from, attributes)) {
        shares.set(shares.get(row, at) + share, row, at);
      }
    }
    return shares.toTensor();
  };
  const x = tf.reshape(tf.cast(images, "float32"), [batch, height, width * channels]);
  const tall = tf.reshape(tf.matMul(matrix(height, rows), x), [batch * rows, width, channels]);
  return tf.reshape(tf.matMul(matrix(width, columns), tall), [batch, rows, columns, channels]);
}
