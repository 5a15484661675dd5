import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { SMALL_NET_INPUTS, smallNetStep } from "./small_net.ts";
import { assertParity, float32, int32, runEagerly, sampleFeeds } from "../../../support/tensors.ts";

const feeds = sampleFeeds(SMALL_NET_INPUTS, { bound: 4 });

/** Compiles on a device of one thread and always disposes of the device. */
async function withCompiled<T>(
  fn: PureFunction,
  inputs: Signature,
  use: (compiled: Awaited<ReturnType<Awaited<ReturnType<typeof openOnnxDevice>>["compile"]>>) => Promise<T>,
): Promise<T> {
  const device = await openOnnxDevice({ threads: 1 });
  try {
    return await use(await device.compile(fn, inputs, { label: "test" }));
  } finally {
    await device.dispose();
  }
}

Deno.test("compile() agrees with TF.js on loss and gradients of a small U-Net", async () => {
  const device = await openOnnxDevice({ threads: 2 });
  // float32 on both sides; chains of about 20 ops, each with sums of up to 1,000 terms in different orders.
  await assertParity(smallNetStep, SMALL_NET_INPUTS, feeds, { device, tolerance: 5e-5 });
  await device.dispose();
});

Deno.test("run() gives the same bits again, and with any number of threads", async () => {
  const results = [];
  for (const threads of [1, 2, 3]) {
    const device = await openOnnxDevice({ threads });
    const step = await device.compile(smallNetStep, SMALL_NET_INPUTS, { label: "step" });
    results.push(await step.run(feeds), await step.run(feeds));
    await device.dispose();
  }
  for (const result of results) assertEquals(result, results[0]);
});

Deno.test("compile() leaves TF.js as it was, with no tensor more, also when it fails", async () => {
  await tf.setBackend("cpu");
  const device = await openOnnxDevice({ threads: 1 });
  const before = { ...tf.memory(), backend: tf.getBackend() };
  await (await device.compile(smallNetStep, SMALL_NET_INPUTS)).dispose();
  const failing: PureFunction = (inputs) => {
    tf.keep(tf.neg(inputs.x!));
    // Fails inside autodiff, which keeps tensors for the backward pass.
    return { y: tf.grad((x) => tf.topk(tf.square(x), 1).values)(inputs.x!) };
  };
  await assertRejects(() => device.compile(failing, { x: float32(3) }), Error, "TopK");
  await device.dispose();
  const after = { ...tf.memory(), backend: tf.getBackend() };
  assertEquals(after, before);
  assertEquals([...tf.square(tf.tensor1d([3])).dataSync()], [9]);
});

Deno.test("run() fills the arrays given in `into` and returns them", async () => {
  await withCompiled(({ x }) => ({ y: tf.mul(x!, 2), z: tf.neg(x!) }), { x: float32(3) }, async (compiled) => {
    const y = new Float32Array(3);
    const result = await compiled.run({ x: Float32Array.of(1, 2, 3) }, { y });
    assertStrictEquals(result.y, y);
    assertEquals(result, { y: Float32Array.of(2, 4, 6), z: Float32Array.of(-1, -2, -3) });
    await compiled.run({ x: Float32Array.of(4, 5, 6) }, { y });
    assertEquals(y, Float32Array.of(8, 10, 12));
    assertEquals(result.z, Float32Array.of(-1, -2, -3));
  });
});

Deno.test("run() accepts views into larger arrays", async () => {
  await withCompiled(({ x }) => ({ y: tf.add(x!, 1) }), { x: float32(2) }, async (compiled) => {
    const memory = Float32Array.of(9, 1, 2, 9, 9);
    await compiled.run({ x: memory.subarray(1, 3) }, { y: memory.subarray(3) });
    assertEquals(memory, Float32Array.of(9, 1, 2, 2, 3));
  });
});

Deno.test("compile() handles inputs that are outputs, constants, scalars and unused inputs", async () => {
  const captured = tf.tensor1d([5, 6], "int32");
  const fn: PureFunction = ({ x, i, s }) => ({
    same: x!,
    again: x!,
    count: i!,
    ones: tf.ones([2, 3]),
    table: tf.tensor1d([1, 2, 3]),
    zero: tf.scalar(0),
    captured,
    scalar: tf.square(s!),
  });
  const inputs = { x: float32(2), i: int32(2), s: float32(), unused: float32(4) };
  await withCompiled(fn, inputs, async (compiled) => {
    const x = Float32Array.of(1, 2);
    const result = await compiled.run({
      x,
      i: Int32Array.of(-7, 8),
      s: Float32Array.of(3),
      unused: new Float32Array(4),
    });
    assertEquals(result, {
      same: Float32Array.of(1, 2),
      again: Float32Array.of(1, 2),
      count: Int32Array.of(-7, 8),
      ones: new Float32Array(6).fill(1),
      table: Float32Array.of(1, 2, 3),
      zero: Float32Array.of(0),
      captured: Int32Array.of(5, 6),
      scalar: Float32Array.of(9),
    });
    assert(result.same !== x && result.same !== result.again);
    assertEquals(compiled.outputs.scalar, float32());
    assertEquals(compiled.outputs.ones, float32(2, 3));
  });
  assertEquals([...captured.dataSync()], [5, 6]);
  captured.dispose();
});

Deno.test("compile() follows a custom gradient", async () => {
  const clipped = tf.customGrad((x) => ({ value: tf.square(x as tf.Tensor), gradFunc: (dy) => tf.mul(dy, 10) }));
  const fn: PureFunction = ({ x }) => ({ dx: tf.grad((x) => tf.sum(clipped(x)))(x!) });
  const inputs = { x: float32(2) };
  assertEquals(await runEagerly(fn, inputs, { x: Float32Array.of(1, 2) }), { dx: Float32Array.of(10, 10) });
  await withCompiled(fn, inputs, async (compiled) => {
    assertEquals(await compiled.run({ x: Float32Array.of(1, 2) }), { dx: Float32Array.of(10, 10) });
  });
});

Deno.test("compile() may run while other functions compile and run", async () => {
  const device = await openOnnxDevice({ threads: 1 });
  const results = await Promise.all([1, 2, 3, 4].map(async (factor) => {
    const compiled = await device.compile(({ x }) => ({ y: tf.mul(x!, factor) }), { x: float32(1) });
    return (await compiled.run({ x: Float32Array.of(10) })).y![0];
  }));
  assertEquals(results, [10, 20, 30, 40]);
  await device.dispose();
});

Deno.test("openOnnxDevice() takes the numerics it is given", async () => {
  const device = await openOnnxDevice({ threads: 1, numerics: "onnx-cpu/test" });
  assertEquals(device.numerics, "onnx-cpu/test");
  await device.dispose();
});

Deno.test("run() makes no copy of what it writes into the caller's arrays, and still says what is wrong", async () => {
  const length = 8 << 20;
  const inputs = { x: float32(length), table: float32(2), row: { shape: [1], dtype: "int32" as const } };
  const fn: PureFunction = ({ x, table, row }) => ({ y: tf.add(x!, 1), found: tf.gather(table!, row!) });
  await withCompiled(fn, inputs, async (compiled) => {
    const feeds = { x: new Float32Array(length), table: Float32Array.of(3, 4), row: Int32Array.of(1) };
    const into = { y: new Float32Array(length), found: new Float32Array(1) };
    const before = Deno.memoryUsage().external;
    for (let i = 0; i < 4; i++) await compiled.run(feeds, into);
    assert(Deno.memoryUsage().external - before < 4 * length, "a copy of y takes 32 MiB");
    assertEquals([into.y.at(-1), into.found[0]], [1, 4]);
    feeds.row[0] = 7;
    await assertRejects(() => compiled.run(feeds, into), Error, "indices element out of data bounds");
  });
});
