import type { ConcreteDeviceName } from "../../science/tensor/devices.ts";
import type { ExpectedOutput } from "./fixtures.ts";

/** Largest relative error of one rounding to float32 (half a unit in the last place). */
export const UNIT_ROUNDOFF = 2 ** -24;

/**
 * Returns an error in roundings: |got - wanted| / (unit roundoff * sqrt(terms) * scale). The scale is the change of an
 * output that one rounding of every input can cause (see `sensitivity` in dev/parity/fixture.py). Rounding errors are
 * close to independent, so those of a sum of K terms grow like sqrt(K) (Higham & Mary 2019, "A new approach to
 * probabilistic rounding error analysis"), and adding terms one after another, which is the worst order, costs about
 * one such unit.
 */
export function roundings(error: number, { terms, scale }: ExpectedOutput): number {
  return error === 0 ? 0 : error / (UNIT_ROUNDOFF * Math.sqrt(terms) * scale);
}

export interface Rule {
  /** The error that is allowed for an output, in roundings. */
  readonly allowed: number;
  readonly reason: string;
}

const MOVES: Rule = { allowed: 0, reason: "numbers are moved, chosen or negated: nothing is rounded" };

const ARITHMETIC: Rule = {
  allowed: 4,
  reason: "sums and products: one unit is expected; four leave room for the largest of many errors",
};

const ROOTS: Rule = { allowed: 4, reason: "division and square root are correctly rounded (IEEE 754)" };

const ROOTS_ON_GPU: Rule = {
  allowed: 12,
  reason: "WGSL allows 2.5 units in the last place for division and 2 for inverseSqrt, and sqrt is made of both: 9",
};

const FUNCTIONS: Rule = {
  allowed: 8,
  reason: "exp, log, tanh, sin and cos: libraries of vector code promise 4 units in the last place",
};

const FUNCTIONS_ON_GPU: Rule = {
  allowed: 16,
  reason: "WGSL allows 3 + 2 |x| units for exp, where |x| is in the scale, and 3 for log; division comes on top",
};

const ANGLES_ON_GPU: Rule = {
  allowed: 8192,
  reason: "WGSL allows 4096 units for atan and atan2, and for asin and acos what they are made of",
};

/** Operations that move data. If their gradients are sums, the cases give the number of terms. */
const MOVING = [
  ...["maximum", "minimum", "max", "min", "where", "neg", "abs", "relu", "relu6", "clip", "clone"],
  ...["floor", "ceil", "round", "sign", "step", "zerosLike", "onesLike", "range", "oneHot", "keepMask"],
  ...["concat", "split", "slice", "pad", "transpose", "reverse", "stack", "expandDims", "stridedSlice", "mirrorPad"],
  ...["tile", "gather", "upsample", "maxPool", "maxPool3d", "image.resizeNearestNeighbor"],
  ...["spaceToBatchND", "batchToSpaceND"],
];
const ROOTED = ["div", "sqrt", "rsqrt"];
const TRANSCENDENTAL = [
  ...["exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh"],
  ...["atanh", "erf", "expm1", "log1p", "pow", "sigmoid", "silu", "softplus", "elu", "selu", "softmax", "logSoftmax"],
  ...["timeEmbedding", "localResponseNormalization"],
];

const GPUS: readonly ConcreteDeviceName[] = ["webgpu", "tensorflow-gpu"];

/** Returns the error that is allowed for an output of an operation on a device. */
export function ruleFor(op: string, { terms }: ExpectedOutput, device: string): Rule {
  const gpu = (GPUS as readonly string[]).includes(device);
  if (MOVING.includes(op)) return terms === 1 ? MOVES : ARITHMETIC;
  if (ROOTED.includes(op)) return gpu ? ROOTS_ON_GPU : ROOTS;
  if (gpu && ["asin", "acos", "atan", "atan2"].includes(op)) return ANGLES_ON_GPU;
  if (TRANSCENDENTAL.includes(op)) return gpu ? FUNCTIONS_ON_GPU : FUNCTIONS;
  return ARITHMETIC;
}
