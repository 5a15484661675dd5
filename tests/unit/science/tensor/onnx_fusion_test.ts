import * as tf from "@tensorflow/tfjs-core";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { HostTensors, PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { chooseConvolutions } from "../../../../science/tensor/onnx/passes/split_fixed.ts";
import { fuseContrib } from "../../../../science/tensor/onnx/passes/fuse_contrib.ts";
import { liveValues } from "../../../../science/tensor/trace/graph.ts";
import { assertCloseArrays, float32, runEagerly, sampleFeeds, withGradients } from "../../../support/tensors.ts";

// float32 sums of up to four products, in another order than TF.js's cpu backend.
const TOLERANCE = 1e-5;

/** Checks that a run and a bound run, with some inputs fixed, give the same as TF.js. */
async function check(fn: PureFunction, inputs: Signature, feeds: HostTensors, fixed: readonly string[]): Promise<void> {
  const wanted = await runEagerly(fn, inputs, feeds);
  const device = await openOnnxDevice({ threads: 2 });
  const compiled = await device.compile(fn, inputs);
  const pick = (held: boolean): HostTensors =>
    Object.fromEntries(Object.entries(feeds).filter(([name]) => fixed.includes(name) === held));
  const bound = await compiled.bind(pick(true));
  for (const got of [await compiled.run(feeds), await bound.run(pick(false))]) {
    for (const [name, array] of Object.entries(wanted)) assertCloseArrays(got[name]!, array, TOLERANCE, name);
  }
  await device.dispose();
}

const length = fc.integer({ min: 1, max: 4 });

/** A product whose operands and result may be scaled and transposed, and used once more. */
const products = fc.record({
  sizes: fc.tuple(length, length, length),
  batch: fc.array(length, { maxLength: 2 }),
  transposes: fc.tuple(fc.boolean(), fc.boolean()),
  scales: fc.tuple(fc.constantFrom(1, 0.5, -2), fc.constantFrom(1, 0.75, -1), fc.constantFrom(1, 3)),
  turnedBefore: fc.boolean(),
  usedAgain: fc.boolean(),
  fixed: fc.subarray(["a", "b"]),
});

Deno.test("products give what TF.js gives, whatever is scaled, transposed, fixed and used again", async () => {
  await fc.assert(
    fc.asyncProperty(products, async (each) => {
      const { sizes: [rows, inner, columns], batch, transposes: [turnA, turnB], scales: [ofA, ofB, ofY] } = each;
      const inputs = {
        a: float32(...batch, ...(turnA ? [inner, rows] : [rows, inner])),
        b: float32(...batch, ...(turnB ? [columns, inner] : [inner, columns])),
      };
      const axes = [...batch.keys(), batch.length + 1, batch.length];
      const fn = withGradients(({ a, b }) => {
        let [x, y] = [tf.mul(a!, ofA), tf.mul(ofB, b!)];
        if (each.turnedBefore) [x, y] = [tf.transpose(x, axes), tf.mul(tf.transpose(y, axes), 2)];
        const product = tf.matMul(x, y, turnA !== each.turnedBefore, turnB !== each.turnedBefore);
        const scaled = tf.mul(product, ofY);
        return each.usedAgain ? tf.add(scaled, tf.tanh(product)) : scaled;
      });
      await check(fn, inputs, sampleFeeds(inputs), each.fixed);
    }),
    { numRuns: 60 },
  );
});

Deno.test("a factor is moved out of a product only where it cannot overflow there, and is one number", async () => {
  const inputs = { a: float32(1, 2, 2), b: float32(1, 2, 2) };
  const product = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b);
  const cases: [string, PureFunction, HostTensors][] = [
    ["infinite factors of either sign", ({ a, b }) => ({
      y: product(tf.mul(a!, Infinity), b!),
      z: product(tf.mul(a!, -Infinity), b!),
      zero: product(tf.mul(a!, 0), b!),
      nothing: product(tf.mul(a!, -0), b!),
    }), { a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(1, 1, 2, 2) }],
    ["large factors of small numbers", ({ a, b }) => ({ y: product(tf.mul(a!, 1e30), tf.mul(b!, 1e30)) }), {
      a: new Float32Array(4).fill(1e-30),
      b: new Float32Array(4).fill(1e-30),
    }],
    ["a factor for each column", ({ a, b }) => ({
      y: product(tf.mul(a!, tf.tensor1d([2, 3])), b!),
      z: tf.mul(product(a!, b!), tf.tensor1d([5, 7])),
    }), sampleFeeds(inputs)],
    ["a factor of more axes", ({ a, b }) => ({
      y: tf.sum(tf.mul(product(a!, b!), tf.tensor([3], [1, 1, 1, 1])), 2),
    }), sampleFeeds(inputs)],
  ];
  for (const [, fn, feeds] of cases) await check(fn, inputs, feeds, ["b"]);
});

Deno.test("parts of the last axis are cut where they are, aligned or not", async () => {
  const inputs = { x: float32(2, 3, 6) };
  const fn: PureFunction = ({ x }) => ({
    aligned: tf.slice(tf.neg(x!), [0, 0, 2], [2, 3, 2]),
    shifted: tf.slice(tf.neg(x!), [0, 0, 1], [2, 3, 2]),
    backwards: tf.stridedSlice(tf.neg(x!), [0, 0, 5], [2, 3, 2], [1, 1, -1]),
    everyOther: tf.stridedSlice(tf.neg(x!), [0, 0, 0], [2, 3, 6], [1, 1, 2]),
    vector: tf.slice(tf.reshape(x!, [36]), 6, 6),
  });
  await check(fn, inputs, sampleFeeds(inputs), []);
  await check(fn, inputs, sampleFeeds(inputs), ["x"]);
});

Deno.test("parts of a constant do not hold it once more each", async () => {
  await tf.setBackend("cpu");
  const table = tf.add(tf.zeros([64, 64]), tf.range(0, 64));
  const { outputs } = trace(
    ({ x }) => ({ y: tf.addN([x!, ...tf.split(table, 4, 1)]) }),
    { x: float32(64, 16) },
    "test",
  );
  const large = liveValues(outputs.values()).filter(({ kind, shape }) => kind === "constant" && shape.length > 1);
  assertEquals(large.map(({ shape }) => [...shape]), [[64, 64]]);
});

Deno.test("a long transform of a wide convolution is two products", async () => {
  await tf.setBackend("cpu");
  const count = (size: number) => {
    const inputs = { x: float32(1, size, size, 64), w: float32(3, 3, 64, 32) };
    const conv: PureFunction = ({ x, w }) => ({ y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same") });
    const { graph, outputs } = trace(conv, inputs, "test");
    return liveValues(fuseContrib(graph, chooseConvolutions(graph, outputs, new Set(), false)).values())
      .filter((value) => value.kind === "operation" && (value.op === "Gemm" || value.op === "MatMul")).length;
  };
  // Tiles, filter, the products themselves, outputs; 64 channels of 256 tiles are 2^14 numbers.
  assertEquals([count(32), count(64)], [4, 5]);
});
