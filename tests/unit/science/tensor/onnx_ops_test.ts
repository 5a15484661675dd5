import * as tf from "@tensorflow/tfjs-core";
import type { PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { assertParity, float32, int32, sampleFeeds, withGradients } from "../../../support/tensors.ts";

type Op = (inputs: Record<string, tf.Tensor>) => tf.Tensor;

interface Case {
  readonly op: Op;
  readonly inputs: Signature;
  readonly range?: { low?: number; high?: number; bound?: number };
}

// float32 results of short sums, and of exp, log, sin... by other approximations than V8's: a few units of 6e-8.
const TOLERANCE = 2e-6;

const x = float32(3, 5);
const positive = { low: 0.3, high: 2 };

const UNARY: Record<string, Case> = {
  abs: { op: ({ x }) => tf.abs(x!), inputs: { x } },
  cast: { op: ({ x }) => tf.cast(x!, "int32"), inputs: { x }, range: { low: -3, high: 3 } },
  ceil: { op: ({ x }) => tf.ceil(x!), inputs: { x }, range: { low: -3, high: 3 } },
  clipByValue: { op: ({ x }) => tf.clipByValue(x!, -0.4, 0.5), inputs: { x } },
  cos: { op: ({ x }) => tf.cos(x!), inputs: { x }, range: { low: -9, high: 9 } },
  erf: { op: ({ x }) => tf.erf(x!), inputs: { x } },
  exp: { op: ({ x }) => tf.exp(x!), inputs: { x } },
  floor: { op: ({ x }) => tf.floor(x!), inputs: { x }, range: { low: -3, high: 3 } },
  log: { op: ({ x }) => tf.log(x!), inputs: { x }, range: positive },
  neg: { op: ({ x }) => tf.neg(x!), inputs: { x } },
  onesLike: { op: ({ x }) => tf.mul(tf.onesLike(x!), x!), inputs: { x } },
  reciprocal: { op: ({ x }) => tf.reciprocal(x!), inputs: { x }, range: positive },
  relu: { op: ({ x }) => tf.relu(x!), inputs: { x } },
  round: { op: ({ x }) => tf.round(x!), inputs: { x }, range: { low: -3, high: 3 } },
  rsqrt: { op: ({ x }) => tf.rsqrt(x!), inputs: { x }, range: positive },
  sigmoid: { op: ({ x }) => tf.sigmoid(x!), inputs: { x }, range: { low: -6, high: 6 } },
  sign: { op: ({ x }) => tf.sign(x!), inputs: { x } },
  sin: { op: ({ x }) => tf.sin(x!), inputs: { x }, range: { low: -9, high: 9 } },
  softplus: { op: ({ x }) => tf.softplus(x!), inputs: { x } },
  sqrt: { op: ({ x }) => tf.sqrt(x!), inputs: { x }, range: positive },
  square: { op: ({ x }) => tf.square(x!), inputs: { x } },
  step: { op: ({ x }) => tf.step(x!, 0.25), inputs: { x } },
  tanh: { op: ({ x }) => tf.tanh(x!), inputs: { x } },
  zerosLike: { op: ({ x }) => tf.add(tf.zerosLike(x!), x!), inputs: { x } },
};

/** Every pair of shapes broadcasts in another way; the gradients sum over the broadcast axes. */
const PAIRS: readonly Signature[] = [
  { a: float32(3, 5), b: float32(3, 5) },
  { a: float32(2, 3, 5), b: float32(5) },
  { a: float32(2, 1, 5), b: float32(3, 1) },
  { a: float32(), b: float32(2, 3) },
];

const BINARY: Record<string, Op> = {
  add: ({ a, b }) => tf.add(a!, b!),
  sub: ({ a, b }) => tf.sub(a!, b!),
  mul: ({ a, b }) => tf.mul(a!, b!),
  div: ({ a, b }) => tf.div(a!, b!),
  mod: ({ a, b }) => tf.mod(a!, b!),
  pow: ({ a, b }) => tf.pow(a!, b!),
};

const SAME = { a: float32(3, 5), b: float32(3, 5) };

/** TF.js's own gradients of the first three fail when shapes differ (an error, never a wrong number). */
const SAME_SHAPE: Record<string, Case> = {
  maximum: { op: ({ a, b }) => tf.maximum(a!, b!), inputs: SAME },
  minimum: { op: ({ a, b }) => tf.minimum(a!, b!), inputs: SAME },
  squaredDifference: { op: ({ a, b }) => tf.squaredDifference(a!, b!), inputs: SAME },
  where: { op: ({ a, b, i }) => tf.where(tf.greater(i!, 2), a!, b!), inputs: { ...SAME, i: int32(3, 5) } },
};

const image = float32(2, 3, 5, 4);

const SHAPE: Record<string, Case> = {
  broadcastTo: { op: ({ x }) => tf.broadcastTo(x!, [2, 3, 5]), inputs: { x: float32(3, 1) } },
  concat: { op: ({ a, b }) => tf.concat([a!, b!, a!], 1), inputs: { a: float32(2, 3), b: float32(2, 1) } },
  expandDims: { op: ({ x }) => tf.expandDims(x!, -1), inputs: { x } },
  gather: { op: ({ x, i }) => tf.gather(x!, i!, 1), inputs: { x: float32(2, 5, 3), i: int32(4) } },
  "gather of repeated rows": { op: ({ x, i }) => tf.gather(x!, i!), inputs: { x: float32(5, 3), i: int32(11) } },
  oneHot: { op: ({ i }) => tf.oneHot(i!, 4, 2, -1), inputs: { i: int32(2, 3) } },
  pad: { op: ({ x }) => tf.pad(x!, [[1, 0], [2, 3]], 0.5), inputs: { x } },
  range: { op: ({ x }) => tf.mul(x!, tf.range(0, 5, 1)), inputs: { x } },
  reshape: { op: ({ x }) => tf.reshape(x!, [5, -1]), inputs: { x } },
  reverse: { op: ({ x }) => tf.reverse(x!, [0, 2]), inputs: { x: image } },
  slice: { op: ({ x }) => tf.slice(x!, [0, 1, 2], [-1, 2, 2]), inputs: { x: image } },
  split: { op: ({ x }) => tf.add(...(tf.split(x!, 2, 3) as [tf.Tensor, tf.Tensor])), inputs: { x: image } },
  "split in unequal parts": {
    op: ({ x }) => {
      const [first, second, third] = tf.split(x!, [1, -1, 1], 2);
      return tf.add(tf.mul(first!, third!), second!);
    },
    inputs: { x: image },
  },
  squeeze: { op: ({ x }) => tf.squeeze(x!), inputs: { x: float32(1, 3, 1) } },
  stack: { op: ({ a, b }) => tf.stack([a!, b!], 1), inputs: { a: float32(2, 3), b: float32(2, 3) } },
  tile: { op: ({ x }) => tf.tile(x!, [2, 3]), inputs: { x } },
  "tile of one": { op: ({ x }) => tf.tile(x!, [4, 1]), inputs: { x: float32(1, 3) } },
  transpose: { op: ({ x }) => tf.transpose(x!, [3, 1, 0, 2]), inputs: { x: image } },
  "transpose twice": {
    op: ({ x }) => tf.transpose(tf.transpose(x!, [3, 1, 0, 2]), [2, 0, 1, 3]),
    inputs: { x: image },
  },
  unstack: { op: ({ x }) => tf.mul(...(tf.unstack(x!, 0) as [tf.Tensor, tf.Tensor])), inputs: { x: float32(2, 3) } },
};

const REDUCE: Record<string, Case> = {
  sum: { op: ({ x }) => tf.sum(x!), inputs: { x: image } },
  "sum over height and width": { op: ({ x }) => tf.sum(x!, [1, 2]), inputs: { x: image } },
  "mean that keeps axes": { op: ({ x }) => tf.mul(x!, tf.mean(x!, [1, 3], true)), inputs: { x: image } },
  "mean of an axis of one": { op: ({ x }) => tf.mean(x!, 1), inputs: { x: float32(3, 1, 2) } },
  max: { op: ({ x }) => tf.max(x!, -1), inputs: { x: image } },
  min: { op: ({ x }) => tf.min(x!, [0, 2]), inputs: { x: image } },
  softmax: { op: ({ x }) => tf.softmax(x!), inputs: { x: image }, range: { low: -4, high: 4 } },
  logSoftmax: { op: ({ x }) => tf.logSoftmax(x!), inputs: { x }, range: { low: -4, high: 4 } },
  logSumExp: { op: ({ x }) => tf.logSumExp(x!, 1), inputs: { x } },
  moments: { op: ({ x }) => tf.moments(x!, [1, 2]).variance, inputs: { x: image } },
  matMul: { op: ({ a, b }) => tf.matMul(a!, b!), inputs: { a: float32(3, 7), b: float32(7, 5) } },
  "matMul transposed": {
    op: ({ a, b }) => tf.matMul(a!, b!, true, true),
    inputs: { a: float32(7, 3), b: float32(5, 7) },
  },
  "matMul in batches": {
    op: ({ a, b }) => tf.matMul(a!, b!, false, true),
    inputs: { a: float32(2, 3, 7), b: float32(2, 5, 7) },
  },
  "matMul in batches, transposed": {
    op: ({ a, b }) => tf.matMul(a!, b!, true, false),
    inputs: { a: float32(2, 2, 7, 3), b: float32(2, 2, 7, 5) },
  },
  addN: { op: ({ a, b }) => tf.addN([a!, b!, a!]), inputs: { a: float32(2, 3), b: float32(2, 3) } },
  avgPool: { op: ({ x }) => tf.avgPool(x as tf.Tensor4D, 2, 2, "valid"), inputs: { x: float32(2, 4, 6, 3) } },
};

/** Ops without gradients in TF.js. */
const DISCRETE: Record<string, { fn: PureFunction; inputs: Signature; bound?: number }> = {
  "int32 arithmetic": {
    fn: ({ i, j }) => ({
      add: tf.add(i!, j!),
      sub: tf.sub(i!, j!),
      mul: tf.mul(i!, j!),
      floorDiv: tf.floorDiv(tf.sub(i!, 3), tf.add(j!, 1)),
      mod: tf.mod(tf.sub(i!, 3), tf.add(j!, 1)),
      maximum: tf.maximum(i!, j!),
      neg: tf.neg(i!),
      sum: tf.sum(i!, 0),
      max: tf.max(i!),
      prod: tf.prod(j!, 1),
      square: tf.square(i!),
      half: tf.mul(tf.cast(i!, "float32"), 0.5),
      mean: tf.mean(i!),
      argMax: tf.argMax(i!, 1),
    }),
    inputs: { i: int32(4, 3), j: int32(4, 3) },
    bound: 7,
  },
  "stridedSlice backwards": {
    fn: ({ i }) => ({
      y: tf.stridedSlice(i!, [4, 0], [0, 5], [-2, 2]),
      row: tf.stridedSlice(i!, [1], [2], [1], 0, 0, 0, 0, 1),
    }),
    inputs: { i: int32(5, 5) },
  },
  "floorDiv of floats": { fn: ({ a, b }) => ({ y: tf.floorDiv(a!, b!) }), inputs: { a: float32(3, 5), b: float32(5) } },
  comparisons: {
    fn: ({ i, j }) => {
      const bits = {
        equal: tf.equal(i!, j!),
        notEqual: tf.notEqual(i!, j!),
        greater: tf.greater(i!, j!),
        greaterEqual: tf.greaterEqual(i!, j!),
        less: tf.less(i!, j!),
        lessEqual: tf.lessEqual(i!, 2),
        and: tf.logicalAnd(tf.greater(i!, 1), tf.less(j!, 3)),
        or: tf.logicalOr(tf.greater(i!, 1), tf.less(j!, 3)),
        xor: tf.logicalXor(tf.greater(i!, 1), tf.less(j!, 3)),
        not: tf.logicalNot(tf.greater(i!, 1)),
        all: tf.all(tf.greater(i!, 0), 1),
        any: tf.any(tf.greater(i!, 3), 1),
        where: tf.where(tf.greater(i!, 2), tf.less(j!, 3), tf.greater(j!, 3)),
      };
      return Object.fromEntries(Object.entries(bits).map(([name, bit]) => [name, tf.cast(bit, "int32")]));
    },
    inputs: { i: int32(4, 3), j: int32(3) },
  },
};

Deno.test("compile() computes what TF.js computes", async (t) => {
  const device = await openOnnxDevice({ threads: 2 });
  const check = async (name: string, fn: PureFunction, inputs: Signature, range: Case["range"] = {}) => {
    const feeds = sampleFeeds(inputs, range);
    await t.step(name, () => assertParity(fn, inputs, feeds, { device, tolerance: TOLERANCE }));
  };
  for (const [name, { op, inputs, range }] of Object.entries({ ...UNARY, ...SAME_SHAPE, ...SHAPE, ...REDUCE })) {
    const discrete = ["cast", "oneHot", "sign", "ceil", "floor", "round", "step"].includes(name);
    await check(
      `${name} and its gradient`,
      discrete ? (given) => ({ y: op(given) }) : withGradients(op),
      inputs,
      range,
    );
  }
  for (const [name, op] of Object.entries(BINARY)) {
    for (const inputs of PAIRS) {
      const shapes = `[${inputs.a!.shape}] and [${inputs.b!.shape}]`;
      await check(`${name} and its gradients when shapes are ${shapes}`, withGradients(op), inputs, positive);
    }
  }
  for (const [name, { fn, inputs, bound = 5 }] of Object.entries(DISCRETE)) await check(name, fn, inputs, { bound });
  await device.dispose();
});
