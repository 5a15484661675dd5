import * as tf from "@tensorflow/tfjs-core";
import type { Device, NamedTensors } from "../../tensor/device.ts";
import { batchFeatures } from "./batch_features.ts";
import { type Centres, resizeMatrix, type ResizeOptions } from "../../pictures/resize.ts";

/**
 * The Inception v3 of 2015-12-05 that the FID is defined with. The architecture is that of Szegedy et al. 2015 (arXiv
 * 1512.00567), but with 1008 classes, average pools that leave out the padding, and a max pool in the last block.
 * Layers have the names that pytorch-fid gives them (src/pytorch_fid/inception.py); torch-fidelity has the same
 * network.
 */

/**
 * A step of the network: a layer or a group of branches. A layer is a string: the name and kernel of a convolution,
 * which has a batch norm and a ReLU, or `max`, a 3x3 max pool. Layers keep the size of the images, but `valid` drops
 * the border, and `halved` also drops every other pixel. A group gives one input to several branches and concatenates
 * their channels; the names of their layers begin with `block`.
 */
type Step = string | readonly [block: string, branches: readonly (readonly Step[])[]];

const A: readonly Step[][] = [
  ["branch1x1 1x1"],
  ["branch5x5_1 1x1", "branch5x5_2 5x5"],
  ["branch3x3dbl_1 1x1", "branch3x3dbl_2 3x3", "branch3x3dbl_3 3x3"],
  ["branch_pool 1x1 averaged"],
];
const B: readonly Step[][] = [
  ["branch3x3 3x3 halved"],
  ["branch3x3dbl_1 1x1", "branch3x3dbl_2 3x3", "branch3x3dbl_3 3x3 halved"],
  ["max halved"],
];
const C: readonly Step[][] = [
  ["branch1x1 1x1"],
  ["branch7x7_1 1x1", "branch7x7_2 1x7", "branch7x7_3 7x1"],
  ["branch7x7dbl_1 1x1", "branch7x7dbl_2 7x1", "branch7x7dbl_3 1x7", "branch7x7dbl_4 7x1", "branch7x7dbl_5 1x7"],
  ["branch_pool 1x1 averaged"],
];
const D: readonly Step[][] = [
  ["branch3x3_1 1x1", "branch3x3_2 3x3 halved"],
  ["branch7x7x3_1 1x1", "branch7x7x3_2 1x7", "branch7x7x3_3 7x1", "branch7x7x3_4 3x3 halved"],
  ["max halved"],
];
const E = (...pool: Step[]): readonly Step[][] => [
  ["branch1x1 1x1"],
  ["branch3x3_1 1x1", ["", [["branch3x3_2a 1x3"], ["branch3x3_2b 3x1"]]]],
  ["branch3x3dbl_1 1x1", "branch3x3dbl_2 3x3", ["", [["branch3x3dbl_3a 1x3"], ["branch3x3dbl_3b 3x1"]]]],
  pool,
];
const NETWORK: readonly Step[] = [
  ...["Conv2d_1a_3x3 3x3 halved", "Conv2d_2a_3x3 3x3 valid", "Conv2d_2b_3x3 3x3", "max halved"],
  ...["Conv2d_3b_1x1 1x1", "Conv2d_4a_3x3 3x3 valid", "max halved"],
  ...[["Mixed_5b.", A], ["Mixed_5c.", A], ["Mixed_5d.", A], ["Mixed_6a.", B]] as const,
  ...[["Mixed_6b.", C], ["Mixed_6c.", C], ["Mixed_6d.", C], ["Mixed_6e.", C], ["Mixed_7a.", D]] as const,
  ["Mixed_7b.", E("branch_pool 1x1 averaged")],
  ["Mixed_7c.", E("max", "branch_pool 1x1")],
];

/** Height and width of the input images. */
const SIDE = 299;
const COLOURS = 3;
/** Epsilon of the batch norms, from TensorFlow. */
const EPSILON = 1e-3;

const BILINEAR = { kernel: "bilinear", antialias: false } as const;

/** Ways to bring images to the size and range of the network. Each gives other features. */
export const RESIZES = {
  /** TensorFlow 1's bilinear kernel, then (x - 128) / 128: TTUR, torch-fidelity, EDM. */
  tensorflow: { ...BILINEAR, centres: "corner", scale: 1 / 128, shift: -1 },
  /** PyTorch's bilinear kernel, then 2 x / 255 - 1. */
  "pytorch-fid": { ...BILINEAR, centres: "half-pixel", scale: 2 / 255, shift: -1 },
  /** Pillow's bicubic kernel, which is antialiased, then (x - 128) / 128: `mode="clean"` of clean-fid. */
  "clean-fid": { kernel: "bicubic", antialias: true, centres: "half-pixel", scale: 1 / 128, shift: -1 },
} as const satisfies Record<string, ResizeOptions & { centres: Centres; scale: number; shift: number }>;

export type Resize = keyof typeof RESIZES;

interface Layer {
  readonly name: string;
  readonly kernel: string;
  readonly stride: 1 | 2;
  readonly pad: "same" | "valid";
  readonly averaged: boolean;
}

interface Visitor<T> {
  conv(x: T, layer: Layer): T;
  max(x: T, layer: Layer): T;
  join(parts: T[]): T;
}

function walk<T>(steps: readonly Step[], prefix: string, input: T, visitor: Visitor<T>): T {
  return steps.reduce((x, step) => {
    if (typeof step !== "string") {
      const [block, branches] = step;
      return visitor.join(branches.map((branch) => walk(branch, prefix + block, x, visitor)));
    }
    const [name, kernel = "", ...rest] = step.split(" ");
    const words = [kernel, ...rest];
    const halved = words.includes("halved");
    const layer: Layer = {
      name: prefix + name,
      kernel,
      stride: halved ? 2 : 1,
      pad: halved || words.includes("valid") ? "valid" : "same",
      averaged: words.includes("averaged"),
    };
    return name === "max" ? visitor.max(x, layer) : visitor.conv(x, layer);
  }, input);
}

/** Tensors of a PyTorch state dict, by name. */
export type StateDict = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<unknown> }>;

/** Parameters by name, row-major. */
type InceptionParameters = Record<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> }
>;

/**
 * Returns a function that gives a tensor of a state dict by its name, which must have the wanted shape.
 * @param network named in the RangeError for a tensor that is missing or of another shape
 */
export function takerOf(state: StateDict, network: string) {
  return (name: string, ...wanted: (number | "any")[]) => {
    const { shape, data } = state.get(name) ?? { shape: undefined, data: [] };
    const fits = shape?.length === wanted.length &&
      wanted.every((size, i) => size === "any" ? shape[i]! > 0 : size === shape[i]);
    if (fits && data instanceof Float32Array) return { shape: shape as readonly number[], data };
    const got = shape === undefined ? "none" : `${data.constructor.name} [${shape}]`;
    throw new RangeError(`weights of ${network}, ${name}: got ${got}, wanted float32 [${wanted}]`);
  };
}

/** Returns a filter of PyTorch, [out, in, h, w], as [h, w, in, out], each output times its factor. */
export function filterOf(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Float32Array },
  factors?: Float64Array,
) {
  const [outputs, inputs, height, width] = shape as [number, number, number, number];
  const taps = height * width;
  const turned = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const [tap, from, to] = [i % taps, Math.floor(i / taps) % inputs, Math.floor(i / (taps * inputs))];
    turned[(tap * inputs + from) * outputs + to] = (factors?.[to] ?? 1) * data[i]!;
  }
  return { shape: [height, width, inputs, outputs] as const, data: turned };
}

/**
 * Returns the parameters of the network: convolutions as [kH, kW, in, out], with their batch norms folded in.
 * @param state weights by pytorch-fid's names; their shapes give each layer's number of channels
 * @returns the convolutions, and `fc.weight` [K, D]: K logits, D features
 * @throws RangeError for a tensor that is missing or of a shape that does not fit
 */
export function inceptionParameters(state: StateDict): InceptionParameters {
  const parameters: InceptionParameters = {};
  const take = takerOf(state, "Inception");
  const conv = (inputs: number, { name, kernel }: Layer): number => {
    const [height, width] = kernel.split("x").map(Number) as [number, number];
    const filter = take(`${name}.conv.weight`, "any", inputs, height, width);
    const outputs = filter.shape[0]!;
    const norm = (part: string) => take(`${name}.bn.${part}`, outputs).data;
    const [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(norm);
    const factors = Float64Array.from(gamma!, (factor, o) => factor / Math.sqrt(variance![o]! + EPSILON));
    parameters[`${name}.kernel`] = filterOf(filter, factors);
    const shifts = Float32Array.from(beta!, (shift, o) => shift - factors[o]! * mean![o]!);
    parameters[`${name}.bias`] = { shape: [outputs], data: shifts };
    return outputs;
  };
  const join = (parts: number[]) => parts.reduce((sum, part) => sum + part);
  const dimension = walk<number>(NETWORK, "", COLOURS, { conv, max: (channels) => channels, join });
  const { shape, data } = take("fc.weight", "any", dimension);
  return { ...parameters, "fc.weight": { shape, data: Float32Array.from(data) } };
}

/** Returns the further parameters for images of one size: the matrices that resize their rows and columns. */
function resizeParameters(
  { height, width, channels }: { readonly height: number; readonly width: number; readonly channels: number },
  resize: Resize,
): InceptionParameters {
  const across = resizeMatrix(width, SIDE, RESIZES[resize]);
  // Channels are interleaved, and each is resized on its own; grey becomes three equal channels.
  const columns = new Float32Array(width * channels * SIDE * COLOURS);
  for (let i = 0; i < SIDE * COLOURS; i++) {
    const [pixel, colour] = [Math.floor(i / COLOURS), channels === 1 ? 0 : i % COLOURS];
    for (let x = 0; x < width; x++) columns[(x * channels + colour) * SIDE * COLOURS + i] = across[pixel * width + x]!;
  }
  return {
    "resize.rows": { shape: [SIDE, height], data: resizeMatrix(height, SIDE, RESIZES[resize]) },
    "resize.columns": { shape: [width * channels, SIDE * COLOURS], data: columns },
  };
}

/**
 * Computes features and logits of images.
 *
 * @param params those of `inceptionParameters` and `resizeParameters`
 * @param images [N, H, W, C], bytes 0 to 255
 * @returns `features` [N, 2048], the mean over the last pixels (pool_3); `logits` [N, 1008] without their bias, as the
 * Inception Score uses them (Salimans et al. 2016's code; torch-fidelity)
 */
function inception(params: NamedTensors, images: tf.Tensor, resize: Resize) {
  const [count, height, width, channels] = images.shape as [number, number, number, number];
  const { kernel, scale, shift } = RESIZES[resize];
  // Scaling the range before resizing gives the same as after it, since the shares of each new pixel sum to 1.
  const ranged = tf.add(tf.mul(tf.reshape(images, [count * height, width * channels]), scale), shift);
  const wide = tf.reshape(tf.matMul(ranged, params["resize.columns"]!), [count, height, SIDE * COLOURS]);
  const high = tf.matMul(params["resize.rows"]!, wide);
  // A bicubic kernel overshoots at edges.
  const within = kernel === "bicubic" ? tf.clipByValue(high, shift, 255 * scale + shift) : high;
  const input = tf.reshape(within, [count, SIDE, SIDE, COLOURS]) as tf.Tensor4D;
  const last = walk<tf.Tensor4D>(NETWORK, "", input, {
    conv(x, { name, stride, pad, averaged }) {
      const product = tf.conv2d(x, params[`${name}.kernel`] as tf.Tensor4D, stride, pad);
      const sum = tf.add(product, params[`${name}.bias`]!) as tf.Tensor4D;
      // The network averages before the convolution. The mean of 1x1 convolutions equals the convolution of the mean,
      // and averaging after it takes fewer channels.
      return tf.relu(averaged ? tf.avgPool(sum, 3, 1, "same") : sum);
    },
    max: (x, { stride, pad }) => tf.maxPool(x, 3, stride, pad),
    join: (parts) => tf.concat(parts, 3),
  });
  const features = tf.mean(last, [1, 2]) as tf.Tensor2D;
  return { features, logits: tf.matMul(features, params["fc.weight"] as tf.Tensor2D, false, true) };
}

/**
 * Opens the network on a device, for batches of up to N images of bytes, [N, H, W, C], C 1 or 3.
 * @param state weights, as in `inceptionParameters`
 * @throws RangeError as `inceptionParameters` does
 */
export async function openInception(
  device: Device,
  state: StateDict,
  { shape, resize }: { readonly shape: readonly [number, number, number, number]; readonly resize: Resize },
) {
  const [, height, width, channels] = shape;
  const held = { ...inceptionParameters(state), ...resizeParameters({ height, width, channels }, resize) };
  const [classes, dimension] = held["fc.weight"]!.shape as [number, number];
  const signature = Object.entries(held).map(([name, { shape }]) => [name, { shape, dtype: "float32" }] as const);
  const compiled = await device.compile(
    ({ images, ...params }) => ({ ...inception(params, images!, resize) }),
    { ...Object.fromEntries(signature), images: { shape, dtype: "float32" } },
    { label: "inception" },
  );
  const bound = await compiled.bind(Object.fromEntries(Object.entries(held).map(([name, { data }]) => [name, data])));
  const extract = batchFeatures(bound, shape, { dimension, classes }, (bytes, out) => out.set(bytes));
  return { classes, dimension, extract, release: () => compiled.dispose() };
}
