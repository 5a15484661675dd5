import * as tf from "@tensorflow/tfjs-core";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { PureFunction } from "../../../../science/tensor/device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { openWasmDevice } from "../../../../science/tensor/wasm/device.ts";
import { assertCloseArrays, float32, runEagerly, sampleFeeds, withGradients } from "../../../support/tensors.ts";

/** Ops whose gradients `science/tensor/gradients.ts` replaces; the parity tests compare each with PyTorch. */
const replaced: PureFunction = withGradients(({ x, k }) => {
  const images = x as tf.Tensor4D;
  const parts = [
    tf.einsum("bhwc,co->bho", images, k!),
    tf.cumprod(images, 2),
    tf.cumsum(images, 1, false, true),
    tf.mirrorPad(images, [[0, 0], [1, 1], [0, 2], [0, 0]], "reflect"),
    tf.image.resizeBilinear(images, [7, 4], false, true),
    tf.image.resizeNearestNeighbor(images, [3, 7]),
    tf.localResponseNormalization(images, 1),
    tf.avgPool(images, 3, 2, "same"),
    tf.prod(images, -1),
    tf.squaredDifference(images, tf.slice(k!, [0, 0], [1, 3])),
  ];
  return tf.addN(parts.map((part) => tf.sum(part)));
});
const INPUTS = { x: float32(2, 4, 5, 3), k: float32(3, 3) };

Deno.test("replaced gradients leave no tensor behind, and what records outer gradients as it was", async () => {
  const feeds = sampleFeeds(INPUTS, { low: 0.2 });
  const wanted = await runEagerly(replaced, INPUTS, feeds);
  const before = tf.memory().numTensors;
  assertEquals(await runEagerly(replaced, INPUTS, feeds), wanted);
  assertEquals(tf.memory().numTensors, before);
  for (const device of [await openOnnxDevice({ threads: 1 }), await openWasmDevice({ threads: 1 })]) {
    const compiled = await device.compile(replaced, INPUTS);
    const first = await compiled.run(feeds);
    const between = tf.memory().numTensors;
    assertEquals(await compiled.run(feeds), first);
    assertEquals(tf.memory().numTensors, between);
    // Single precision, sums of 120 products: 1e-5 is 100 roundings.
    for (const [name, array] of Object.entries(wanted)) assertCloseArrays(first[name]!, array, 1e-5, name);
    await device.dispose();
  }
});

Deno.test("a replaced gradient has a gradient", async () => {
  // f = x1 + x1 x2, so the sum of its gradient is 1 + x2 + x1.
  const inner = tf.grad((x) => tf.sum(tf.cumprod(x)));
  const fn: PureFunction = ({ x }) => ({ first: inner(x!), second: tf.grad((x) => tf.sum(inner(x)))(x!) });
  const device = await openOnnxDevice({ threads: 1 });
  const compiled = await device.compile(fn, { x: float32(2) });
  const wanted = { first: Float32Array.of(4, 2), second: Float32Array.of(1, 1) };
  assertEquals(await compiled.run({ x: Float32Array.of(2, 3) }), wanted);
  assertEquals(await runEagerly(fn, { x: float32(2) }, { x: Float32Array.of(2, 3) }), wanted);
  await device.dispose();
});

Deno.test("the gradient of a mean over windows is its adjoint, whatever the padding", async () => {
  const even = fc.record({
    size: fc.tuple(fc.integer({ min: 3, max: 7 }), fc.integer({ min: 3, max: 7 })),
    window: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.integer({ min: 1, max: 3 }),
    pad: fc.constantFrom<"same" | "valid">("same", "valid"),
  });
  await fc.assert(
    fc.asyncProperty(even, async ({ size, window, stride, pad }) => {
      const inputs = { x: float32(1, ...size, 2) };
      const pool = (x: tf.Tensor) => tf.avgPool(x as tf.Tensor4D, window, stride, pad);
      // For a linear map f: <f(x), f(x)> = <x, f'(f(x))>.
      const fn: PureFunction = ({ x }) => {
        const y = pool(x!);
        return { left: tf.sum(tf.square(y)), right: tf.sum(tf.mul(x!, tf.grad(pool)(x!, y))) };
      };
      const { left, right } = await runEagerly(fn, inputs, sampleFeeds(inputs));
      assertCloseArrays(left!, right!, 1e-5);
    }),
    { numRuns: 50 },
  );
});

Deno.test("a device refuses kernels that it lacks or has wrong, at the line that calls them or what they are the gradient of", async () => {
  const device = await openWasmDevice({ threads: 1 });
  const here = String.raw`file:\/\/\S+gradients_test\.ts:\d+:\d+`;
  const message = async (fn: PureFunction) =>
    (await assertRejects(() => device.compile(fn, { x: float32(1, 6, 6, 2) }, { label: "net" }), Error)).message;
  const pooled = await message(({ x }) => ({ y: tf.grad((x) => tf.maxPool(x as tf.Tensor4D, 2, 2, "same"))(x!) }));
  assertMatch(
    pooled,
    new RegExp(`^Cannot compile "net": TF\\.js op "MaxPoolGrad": its kernel on backend "wasm" is wrong`),
  );
  assertMatch(pooled, new RegExp(`This is in the gradient of TF\\.js op "MaxPool", called at ${here}\\.$`));
  const kernel = tf.ones<tf.Rank.R4>([3, 3, 2, 1]);
  const depthwise = await message(({ x }) => ({
    y: tf.grad((x) => tf.depthwiseConv2d(x as tf.Tensor4D, kernel, 1, "same"))(x!),
  }));
  kernel.dispose();
  assertMatch(depthwise, /op "DepthwiseConv2dNativeBackpropInput": its kernel on backend "wasm" is absent \(called at/);
  assertMatch(depthwise, new RegExp(`op "DepthwiseConv2dNative", called at ${here}\\.$`));
  const skipping = await message(({ x }) => ({ y: tf.conv2d(x as tf.Tensor4D, tf.ones([2, 2, 2, 1]), 3, "same") }));
  assertMatch(
    skipping,
    new RegExp(`op "Conv2D": its kernel .* is wrong for such a call \\(called at ${here}\\)\\. Fix: use`),
  );
  await device.dispose();
});
