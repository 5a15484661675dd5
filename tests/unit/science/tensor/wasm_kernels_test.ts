import * as tf from "@tensorflow/tfjs-core";
import { assertEquals, assertRejects } from "@std/assert";
import type { PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { openWasmDevice } from "../../../../science/tensor/wasm/device.ts";
import { assertParity, float32, int32, sampleFeeds, withGradients } from "../../../support/tensors.ts";

interface OpCase {
  readonly name: string;
  readonly fn: PureFunction;
  readonly inputs: Signature;
}

function products(): OpCase[] {
  const found: OpCase[] = [];
  const add = (a: number[], b: number[], { transposeA = false, transposeB = false, gradients = false }) => {
    const product: Parameters<typeof withGradients>[0] = ({ a, b }) => tf.matMul(a!, b!, transposeA, transposeB);
    found.push({
      name: `matMul [${a}]${transposeA ? "^T" : ""} [${b}]${transposeB ? "^T" : ""}`,
      inputs: { a: float32(...a), b: float32(...b) },
      fn: gradients ? withGradients(product) : (inputs) => ({ y: product(inputs) }),
    });
  };
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const a = transposeA ? [7, 5] : [5, 7];
      const b = transposeB ? [3, 7] : [7, 3];
      const flags = { transposeA, transposeB };
      add(a, b, { ...flags, gradients: true });
      add([4, ...a], [4, ...b], { ...flags, gradients: true });
      add([2, 3, ...a], [2, 3, ...b], { ...flags, gradients: true });
      // One operand is used for all matrices of the other, which TF.js cannot differentiate.
      add([4, ...a], [1, ...b], flags);
      add([1, ...a], [4, ...b], flags);
      add([2, 3, ...a], [1, 3, ...b], flags);
      add([1, 1, ...a], [1, ...b], flags);
    }
  }
  // Sums over more rows than are processed at a time; the smaller matrix on either side.
  add([1500, 3], [1500, 300], { transposeA: true });
  add([1500, 300], [1500, 3], { transposeA: true });
  add([2500, 70], [2500, 70], { transposeA: true });
  return found;
}

function slices(): OpCase[] {
  const x = float32(3, 4, 5, 6);
  const op = (name: string, fn: (x: tf.Tensor) => tf.Tensor, input = x): OpCase => ({
    name,
    inputs: { x: input },
    fn: withGradients(({ x }) => fn(x!)),
  });
  return [
    op("slice of every axis", (x) => tf.slice(x, [1, 0, 2, 3], [2, 3, 3, 2])),
    op("slice of the last axis", (x) => tf.slice(x, [0, 0, 0, 1], [3, 4, 5, 4])),
    op("slice of the first axis", (x) => tf.slice(x, [1], [2])),
    op("slice of a middle axis", (x) => tf.slice(x, [0, 1, 0, 0], [-1, 2, -1, -1])),
    op("slice of nothing less", (x) => tf.slice(x, [0, 0, 0, 0], [3, 4, 5, 6])),
    op("slice of a vector", (x) => tf.slice(x, [2], [3]), float32(7)),
    op("split into equal parts", (x) => tf.split(x, 3, 3)[1]!),
    op("split by sizes", (x) => tf.concat(tf.split(x, [1, 3], 1).reverse(), 1)),
    op("split of a vector", (x) => tf.concat(tf.split(x, [2, 4, 1]).reverse()), float32(7)),
    { name: "slice of integers", inputs: { i: int32(4, 3) }, fn: ({ i }) => ({ y: tf.slice(i!, [1, 1], [2, 2]) }) },
    {
      name: "slice of an empty range",
      inputs: { i: int32(4, 3) },
      fn: ({ i }) => ({ y: tf.concat([tf.slice(i!, [1, 1], [0, 2]), tf.slice(i!, [0, 0], [2, 2])]) }),
    },
  ];
}

function sums(): OpCase[] {
  const shape = [3, 4, 2, 5];
  const axes = [
    undefined,
    [0],
    [1],
    [2],
    [3],
    [0, 1],
    [1, 2],
    [2, 3],
    [0, 2],
    [1, 3],
    [0, 3],
    [0, 1, 2],
    [0, 2, 3],
    [],
  ];
  const found: OpCase[] = axes.flatMap((axis) =>
    [false, true].map((keepDims) => ({
      name: `sum and mean over [${axis}]${keepDims ? ", kept" : ""}`,
      inputs: { x: float32(...shape) },
      fn: ({ x }) => {
        const of = (op: typeof tf.sum) => withGradients(({ x }) => op(x!, axis, keepDims))({ x: x! });
        const [sum, mean] = [of(tf.sum), of(tf.mean)];
        return { sum: sum["y"]!, dSum: sum["dx"]!, mean: mean["y"]!, dMean: mean["dx"]! };
      },
    }))
  );
  found.push({ name: "sum of integers", inputs: { i: int32(3, 4) }, fn: ({ i }) => ({ y: tf.sum(i!, 1) }) });
  found.push({ name: "mean of integers", inputs: { i: int32(3, 4) }, fn: ({ i }) => ({ y: tf.mean(i!, 0) }) });
  found.push({ name: "sum of a number", inputs: { x: float32() }, fn: ({ x }) => ({ y: tf.sum(x!) }) });
  return found;
}

function gathers(): OpCase[] {
  const hot: OpCase = {
    name: "one-hot vectors of floats",
    inputs: { i: int32(2, 3) },
    fn: ({ i }) => ({ y: tf.oneHot(i!, 4, 1, 0, "float32"), z: tf.oneHot(i!, 4, 2.5, -1, "float32") }),
  };
  const cases = [
    { name: "gather of rows", shape: [5, 3], indices: [6], axis: 0 },
    { name: "gather by a matrix", shape: [5, 3], indices: [2, 4], axis: 0 },
    { name: "gather of columns", shape: [2, 5, 3], indices: [4], axis: 1 },
    { name: "gather of numbers", shape: [5], indices: [7], axis: 0 },
  ].map(({ name, shape, indices, axis }) => ({
    name,
    inputs: { x: float32(...shape), i: int32(...indices) },
    fn: withGradients(({ x, i }) => tf.gather(x!, i!, axis)),
  }));
  return [...cases, hot];
}

// float32 sums of up to 1,500 products in different orders.
const TOLERANCE = 5e-6;

for (const [title, all] of Object.entries({ products, slices, sums, gathers })) {
  Deno.test(`${title} on device wasm agree with TF.js's cpu backend`, async (t) => {
    const device = await openWasmDevice({ threads: 2 });
    for (const { name, fn, inputs } of all()) {
      await t.step(name, () => assertParity(fn, inputs, sampleFeeds(inputs), { device, tolerance: TOLERANCE }));
    }
    await device.dispose();
  });
}

Deno.test("a sum of a million numbers keeps its digits", async () => {
  const device = await openWasmDevice({ threads: 1 });
  const sum = await device.compile(({ x }) => ({ y: tf.sum(x!), m: tf.mean(x!) }), { x: float32(2 ** 20) });
  const { y, m } = await sum.run({ x: new Float32Array(2 ** 20).fill(0.1) });
  // Added one after the other in float32 it would be 104,858 at best; 0.1 in float32 is 0.100000001490116.
  assertEquals([...y!, ...m!], [104857.6015625, 0.10000000149011612]);
  await device.dispose();
});

Deno.test("matMul on device wasm spreads both operands, which TF.js's cpu backend gets wrong", async () => {
  const device = await openWasmDevice({ threads: 1 });
  const inputs = { a: float32(2, 1, 5, 7), b: float32(1, 3, 7, 4) };
  const compiled = await device.compile(({ a, b }) => ({
    spread: tf.matMul(a!, b!),
    tiled: tf.matMul(tf.tile(a!, [1, 3, 1, 1]), tf.tile(b!, [2, 1, 1, 1])),
  }), inputs);
  const { spread, tiled } = await compiled.run(sampleFeeds(inputs));
  assertEquals(spread, tiled);
  assertEquals(spread!.length, 2 * 3 * 5 * 4);
  await device.dispose();
});

Deno.test("a matrix may be used in two shapes", async () => {
  const device = await openWasmDevice({ threads: 1 });
  const inputs = { x: float32(6), w: float32(6) };
  const fn: PureFunction = ({ x, w }) => ({
    y: tf.matMul(tf.reshape(x!, [3, 2]), tf.reshape(w!, [2, 3])),
    z: tf.matMul(tf.reshape(x!, [2, 3]), tf.reshape(w!, [3, 2])),
    conv: tf.conv2d(tf.reshape<tf.Rank.R4>(x!, [1, 2, 3, 1]), tf.reshape<tf.Rank.R4>(w!, [2, 1, 1, 3]), 1, "valid"),
    turned: tf.conv2d(tf.reshape<tf.Rank.R4>(x!, [1, 2, 3, 1]), tf.reshape<tf.Rank.R4>(w!, [1, 2, 1, 3]), 1, "valid"),
  });
  await assertParity(fn, inputs, sampleFeeds(inputs), { device, tolerance: 1e-6 });
  await device.dispose();
});

Deno.test("matMul of integers says what to do", async () => {
  const device = await openWasmDevice({ threads: 1 });
  const inputs = { a: int32(2, 2) };
  const compiled = await device.compile(({ a }) => ({ y: tf.matMul(a!, a!) }), inputs);
  await assertRejects(() => compiled.run(sampleFeeds(inputs)), Error, "Fix: cast");
  await device.dispose();
});
