import * as tf from "@tensorflow/tfjs-core";
import type { ForwardInputs, Init, NetworkCode, NetworkSizes, ParameterSpec } from "./define.ts";
import type { PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import { countOf, sizeOf } from "./layer_parameters.ts";

export { learnsVariance } from "./define.ts";
export { countOf, sizeOf };

/** Named parameters on the host, each row-major in the shape of its spec. */
export type NamedArrays = Record<string, Float32Array<ArrayBuffer>>;

/** A network for images of one size. Its parameters are stored as one flat vector [P], in the order of `parameters`. */
export interface Network extends NetworkCode {
  readonly sizes: NetworkSizes;
  /** P. */
  readonly count: number;
  /** Names of the parameters that a training leaves as they are. Default: none. */
  readonly frozen?: ReadonlySet<string>;
}

/** Returns the parameters that a training changes. */
export function trainedParameters({ parameters, frozen }: Pick<Network, "parameters" | "frozen">) {
  return parameters.filter(({ name }) => frozen?.has(name) !== true);
}

/** No array of a device holds more elements than this. */
const MAX_ELEMENTS = 2 ** 31;

/** Checks a network's code. @throws RangeError as `checkBuilt` */
export function makeNetwork(sizes: NetworkSizes, { parameters, forward }: NetworkCode): Network {
  checkBuilt(parameters, { forward });
  return { sizes, parameters, forward, count: countOf(parameters) };
}

/**
 * Checks what the code of a network or an autoencoder builds.
 *
 * @throws RangeError for parameters without a valid size, with too large a size, without a valid initialisation, or
 * with a duplicate name, and if `parameters` is not a list or one of the functions is none
 */
export function checkBuilt(parameters: readonly ParameterSpec[], functions: Readonly<Record<string, unknown>>): void {
  const wanted = Object.keys(functions);
  const types = Object.values(functions).map((one) => typeof one);
  const isList: boolean = Array.isArray(parameters);
  if (!isList || types.some((type) => type !== "function")) {
    const said = `${wanted.join(" and ")} as ${wanted.length === 1 ? "a function" : "functions"}`;
    const got = [typeof parameters, ...types].join(" and ");
    throw new RangeError(`What build gives: got ${got}, wanted the parameters as a list, and ${said}`);
  }
  const names = new Set<string>();
  for (const { name, shape, init } of parameters) {
    const named = `Shape of parameter ${name}: got [${shape.join(", ")}], wanted`;
    if (names.has(name)) throw new RangeError(`Parameter ${name}: got it twice, wanted each name once`);
    if (!shape.every((length) => Number.isSafeInteger(length) && length > 0)) {
      throw new RangeError(`${named} positive integers`);
    }
    if (sizeOf({ shape }) > MAX_ELEMENTS) throw new RangeError(`${named} at most 2^31 elements`);
    const isKnown = typeof init === "object" && init !== null
      ? Number.isFinite(Math.fround(scaleOf(init)))
      : init === "zeros" || init === "ones";
    const shown = JSON.stringify(init, (_, value) => Number.isNaN(value) ? "NaN" : value);
    if (!isKnown) throw new RangeError(`The init of parameter ${name}: got ${shown}, wanted ${INITS}`);
    names.add(name);
  }
}

const INITS =
  '"zeros", "ones", { normal }, { uniform } or { scale, fanIn, fanOut }, of finite numbers and fans above 0';

/**
 * Returns initial parameters.
 *
 * @param numbers returns random numbers for the i-th of the parameters that start at random, in an array that becomes
 * the parameter: `uniform` in (0, 1], `normal` of N(0, 1)
 */
export function initialParameters(
  { parameters }: Pick<Network, "parameters">,
  numbers: (i: number, kind: "uniform" | "normal", count: number) => Float32Array<ArrayBuffer>,
): NamedArrays {
  let random = 0;
  const start = ({ init, ...spec }: ParameterSpec): Float32Array<ArrayBuffer> => {
    const size = sizeOf(spec);
    if (typeof init === "string") return new Float32Array(size).fill(init === "ones" ? 1 : 0);
    const isNormal = "normal" in init;
    const array = numbers(random++, isNormal ? "normal" : "uniform", size);
    const scale = scaleOf(init);
    for (let i = 0; i < size; i++) array[i] = (isNormal ? array[i]! : 2 * array[i]! - 1) * scale;
    return array;
  };
  return Object.fromEntries(parameters.map((spec) => [spec.name, start(spec)]));
}

function scaleOf(init: Exclude<Init, string>): number {
  if ("normal" in init) return init.normal;
  return "uniform" in init ? init.uniform : Math.sqrt(3 * init.scale / ((init.fanIn + init.fanOut) / 2));
}

/**
 * Packs named parameters into one flat vector [P].
 *
 * @throws RangeError for a parameter that is missing, unknown or of another length.
 */
export function packParameters(
  named: Readonly<Record<string, Float32Array>>,
  { parameters, count }: Pick<Network, "parameters" | "count">,
): Float32Array<ArrayBuffer> {
  const known = new Set(parameters.map(({ name }) => name));
  const unknown = Object.keys(named).find((name) => !known.has(name));
  if (unknown !== undefined) throw new RangeError(`Parameter ${unknown}: not in this network`);
  const flat = new Float32Array(count);
  let offset = 0;
  for (const spec of parameters) {
    const array = named[spec.name];
    const size = sizeOf(spec);
    if (array?.length !== size) {
      throw new RangeError(`Parameter ${spec.name}: got ${array?.length ?? "none"}, wanted ${size} numbers`);
    }
    flat.set(array, offset);
    offset += size;
  }
  return flat;
}

/** The inverse of `packParameters`; the arrays are copies. @throws RangeError when the vector has another length. */
export function unpackParameters(flat: Float32Array, { parameters, count }: Pick<Network, "parameters" | "count">) {
  if (flat.length !== count) throw new RangeError(`Flat parameters: got ${flat.length} numbers, wanted ${count}`);
  let offset = 0;
  return Object.fromEntries(
    parameters.map((spec) => [spec.name, Float32Array.from(flat.subarray(offset, offset += sizeOf(spec)))]),
  );
}

/** Splits a flat parameter vector [P] into one tensor per parameter. */
export function unpackTensors(flat: tf.Tensor, { parameters }: Pick<Network, "parameters">): Record<string, tf.Tensor> {
  const parts = tf.split(flat, parameters.map(sizeOf));
  return Object.fromEntries(parameters.map(({ name, shape }, i) => [name, tf.reshape(parts[i]!, [...shape])]));
}

/** Evaluates a network without dropout, as in sampling and evaluation. @returns [B, H, W, outChannels] */
export function predict(network: Network, inputs: Omit<ForwardInputs, "dropout">): tf.Tensor {
  const { augmentation: length } = network.sizes;
  const { augmentation = length === undefined ? undefined : tf.zeros([inputs.x.shape[0]!, length]) } = inputs;
  return network.forward({ ...inputs, augmentation, dropout: (h) => h });
}

/**
 * The network alone, for evaluation. Inputs: `params` [P], `x` [B, H, W, C], `t` [B], and for class-conditional
 * networks `classes` [B, classes + 1] (see `oneHotLabels`). Output: `output` [B, H, W, outChannels]; the checkpoint's
 * objective says what it predicts.
 */
export function makeModelOutput(network: Network): PureFunction {
  return ({ params, x, t, classes }) => ({
    output: predict(network, { weights: unpackTensors(params!, network), x: x!, t: t!, labels: classes }),
  });
}

/**
 * Returns the inputs of `makeModelOutput(network)` for batches of `batch` images.
 *
 * @param time float32 on a continuous path
 */
export function modelOutputSignature(
  { sizes, count }: Pick<Network, "sizes" | "count">,
  batch: number,
  time: TensorSpec["dtype"] = "int32",
): Signature {
  return {
    params: { shape: [count], dtype: "float32" },
    x: { shape: [batch, sizes.height, sizes.width, sizes.channels], dtype: "float32" },
    t: { shape: [batch], dtype: time },
    ...classSignature(sizes, batch),
  };
}

/** Returns the additional input of a class-conditional network; empty for other networks. */
export function classSignature({ classes }: NetworkSizes, batch: number): Signature {
  return classes === undefined ? {} : { classes: { shape: [batch, classes + 1], dtype: "float32" } };
}

/**
 * Encodes labels as a network takes them, [B, classes + 1] row-major. An undefined label means no label, the last
 * column.
 *
 * @param labels each in [0, classes)
 */
export function oneHotLabels(labels: readonly (number | undefined)[], classes: number): Float32Array<ArrayBuffer> {
  const rows = new Float32Array(labels.length * (classes + 1));
  labels.forEach((label = classes, i) => rows[i * (classes + 1) + label] = 1);
  return rows;
}
