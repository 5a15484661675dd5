import { assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import { groupsFor } from "../../../../science/diffusion/unet/config.ts";
import { conv, norm, silu, timeEmbedding, upsample } from "../../../../science/diffusion/layers.ts";
import { assertAllClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";

await tf.setBackend("cpu");

/** The textbook form, differentiated by autodiff. */
function naiveGroupNorm(x: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const groups = groupsFor(channels);
  const grouped = tf.reshape(x, [batch, height * width, groups, channels / groups]);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const normed = tf.div(tf.sub(grouped, mean), tf.sqrt(tf.add(variance, 1e-6)));
  return tf.add(tf.mul(tf.reshape(normed, x.shape), scale), bias);
}

Deno.test("groupsFor() keeps four channels or more in a group, in at most 32 groups", () => {
  assertEquals([4, 6, 8, 32, 34, 40, 64, 96].map(groupsFor), [1, 1, 2, 8, 2, 10, 16, 24]);
  // Every width of Ho et al.'s networks, concatenated skips included.
  assertEquals([128, 256, 384, 512, 768, 1024].map(groupsFor), [32, 32, 32, 32, 32, 32]);
});

for (const channels of [6, 40, 64]) {
  Deno.test(`norm() agrees with autodiff of the textbook form when there are ${channels} channels`, () => {
    const random = new PseudoRandom(channels);
    const shape: [number, number, number, number] = [2, 3, 2, channels];
    const size = shape.reduce((a, b) => a * b);
    const tensors = [
      // A mean other than 0, so that the difference of moments matters.
      tf.tensor4d(random.symmetric(size, 2).map((x) => x + 0.5), shape),
      tf.tensor1d(random.symmetric(channels)),
      tf.tensor1d(random.symmetric(channels)),
    ];
    const dy = tf.tensor4d(random.symmetric(size), shape);
    type Norm = (x: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor) => tf.Tensor;
    const run = (compute: Norm) => tf.valueAndGrads((...t) => compute(t[0]!, t[1]!, t[2]!))(tensors, dy);
    const got = run((x, scale, bias) => norm({ "norm.scale": scale, "norm.bias": bias }, "norm", x));
    const want = run(naiveGroupNorm);
    // float32 sums of at most 24 terms of order 1, divided by standard deviations of order 1.
    assertAllClose(got.value.dataSync(), want.value.dataSync(), { abs: 1e-5, label: "value" });
    ["x", "scale", "bias"].forEach((label, i) =>
      assertAllClose(got.grads[i]!.dataSync(), want.grads[i]!.dataSync(), { abs: 2e-5, rel: 1e-5, label })
    );
  });
}

Deno.test("norm() is finite when an image is constant", () => {
  const x = tf.fill([1, 4, 4, 4], 0.1);
  const y = norm({ "norm.scale": tf.ones([4]), "norm.bias": tf.fill([4], 0.25) }, "norm", x);
  // Rounding of the mean over an epsilon of 1e-6: 1e-8 / 1e-3.
  assertAllClose(y.dataSync(), new Float32Array(64).fill(0.25), { abs: 1e-4 });
});

Deno.test("silu() agrees with autodiff of x sigmoid(x)", () => {
  const x = tf.tensor1d([-20, -2, -0.5, 0, 0.5, 2, 20]);
  const got = tf.valueAndGrad(silu)(x);
  const want = tf.valueAndGrad((v: tf.Tensor) => tf.mul(v, tf.sigmoid(v)))(x);
  assertAllClose(got.value.dataSync(), want.value.dataSync(), { abs: 1e-6 });
  assertAllClose(got.grad.dataSync(), want.grad.dataSync(), { abs: 1e-6 });
});

Deno.test("upsample() doubles each pixel, and sums its gradient, when the batch has two images", () => {
  const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2, 1]);
  const dy = tf.reshape(tf.range(0, 32), [2, 4, 4, 1]);
  const { value, grad } = tf.valueAndGrad(upsample)(x, dy);
  const rows = [[1, 1, 2, 2], [3, 3, 4, 4], [5, 5, 6, 6], [7, 7, 8, 8]];
  assertEquals(Array.from(value.dataSync()), rows.flatMap((row) => [...row, ...row]));
  // The first block is 0 + 1 + 4 + 5.
  assertEquals(Array.from(grad.dataSync()), [10, 18, 42, 50, 74, 82, 106, 114]);
});

Deno.test("conv() pads at the bottom and right alone when the stride is 2", () => {
  const taps = new Float32Array(9);
  taps[0] = 1;
  const params = { "c.kernel": tf.tensor4d(taps, [3, 3, 1, 1]), "c.bias": tf.tensor1d([0.5]) };
  const x = tf.reshape(tf.range(0, 16), [1, 4, 4, 1]);
  // The top left tap lies on the even pixels; with padding on all sides it would lie on odd pixels and on zeros.
  assertEquals(Array.from(conv(params, "c", x, { stride: 2 }).dataSync()), [0.5, 2.5, 8.5, 10.5]);
});

Deno.test("timeEmbedding() gives the reference values when t is 10", () => {
  // hojonathanho/diffusion, nn.py, get_timestep_embedding, in numpy float64. Angles of 10 are exact in float32 to 1e-6.
  const wanted = [
    -0.544021110889,
    0.447670834719,
    0.0215426802723,
    0.000999999833333,
    -0.839071529076,
    0.894198425263,
    0.999767929535,
    0.9999995,
  ];
  for (const dtype of ["int32", "float32"] as const) {
    assertAllClose(timeEmbedding(tf.tensor1d([10], dtype), 8).dataSync(), wanted, { abs: 1e-6 });
  }
});
