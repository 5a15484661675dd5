import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import type { UnetConfig } from "../../../../science/diffusion/unet/config.ts";
import type { ParameterSpec } from "../../../../science/diffusion/define.ts";
import { type NamedArrays, predict, sizeOf } from "../../../../science/diffusion/network.ts";
import { startOf, unetOf } from "../../../support/unet.ts";
import { assertClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";

await tf.setBackend("cpu");

const CONFIG: UnetConfig = {
  imageSize: 4,
  inChannels: 2,
  outChannels: 3,
  channels: 4,
  multipliers: [1, 2],
  blocks: 1,
  attention: [2],
};
const NETWORK = unetOf(CONFIG);
const SPECS = NETWORK.parameters;

const unet = (weights: Record<string, tf.Tensor>, x: tf.Tensor, t: tf.Tensor) => predict(NETWORK, { weights, x, t });

const random = new PseudoRandom(7);
const X = tf.tensor4d(random.symmetric(2 * 4 * 4 * 2), [2, 4, 4, 2]);
const TIMES = tf.tensor1d([3, 700], "int32");

const tensorOf = (spec: ParameterSpec, array: Float32Array) => tf.tensor(array, [...spec.shape]);
const tensorsOf = (named: NamedArrays) =>
  Object.fromEntries(SPECS.map((spec) => [spec.name, tensorOf(spec, named[spec.name]!)]));

/** Returns parameters none of which is zero, so that every one has an effect. */
function livelyParameters(): NamedArrays {
  const source = new PseudoRandom(11);
  return Object.fromEntries(SPECS.map((spec) => {
    const offset = spec.init === "ones" ? 1 : 0;
    return [spec.name, source.symmetric(sizeOf(spec), 0.4).map((x) => x + offset)];
  }));
}

Deno.test("unet() predicts nearly zero, in the output's shape, when the parameters are fresh", () => {
  const source = new PseudoRandom(3);
  const params = tensorsOf(startOf(NETWORK, (count) => source.uniforms(count)));
  const eps = unet(params, X, TIMES);
  assertEquals(eps.shape, [2, 4, 4, 3]);
  // The last convolution starts at scale 1e-10: kernels below 3e-6, over 36 inputs of order 1.
  assert(eps.dataSync().every((value) => Math.abs(value) < 1e-4 && value !== 0));
});

Deno.test("unet() takes images of any height and width that its levels divide", () => {
  const wide = unetOf({ ...CONFIG, imageWidth: 12 });
  assertEquals(wide.parameters, SPECS);
  assertEquals([wide.sizes.height, wide.sizes.width], [4, 12]);
  const x = tf.tensor4d(random.symmetric(4 * 12 * 2), [1, 4, 12, 2]);
  const weights = tensorsOf(livelyParameters());
  const eps = predict(wide, { weights, x, t: tf.tensor1d([3], "int32") });
  assertEquals(eps.shape, [1, 4, 12, 3]);
  assert(eps.dataSync().every(Number.isFinite));
  const turned = predict(wide, { weights, x: tf.reverse(x, 2), t: tf.tensor1d([3], "int32") });
  assert(tf.max(tf.abs(tf.sub(eps, turned))).dataSync()[0]! > 1e-3);
});

Deno.test("unet() depends on the timestep and keeps images apart", () => {
  const params = tensorsOf(livelyParameters());
  const both = unet(params, X, TIMES).dataSync();
  const second = unet(params, tf.slice(X, [1, 0, 0, 0], [1, 4, 4, 2]), tf.tensor1d([700], "int32")).dataSync();
  const later = unet(params, tf.slice(X, [1, 0, 0, 0], [1, 4, 4, 2]), tf.tensor1d([10], "int32")).dataSync();
  second.forEach((value, i) => assertClose(both[48 + i]!, value, { abs: 1e-5 }));
  assert(later.some((value, i) => Math.abs(value - second[i]!) > 1e-2));
});

Deno.test("unet() has the gradient that finite differences measure, parameter by parameter", () => {
  const named = livelyParameters();
  const weights = tf.tensor4d(new PseudoRandom(5).symmetric(2 * 4 * 4 * 3), [2, 4, 4, 3]);
  const objective = (params: Record<string, tf.Tensor>) => tf.sum(tf.mul(weights, unet(params, X, TIMES))) as tf.Scalar;
  const tensors = tensorsOf(named);
  const { grads } = tf.valueAndGrads((...list) =>
    objective(Object.fromEntries(SPECS.map((spec, i) => [spec.name, list[i]!])))
  )(SPECS.map((spec) => tensors[spec.name]!));

  const source = new PseudoRandom(13);
  const step = 4e-3;
  SPECS.forEach((spec, i) => {
    const direction = source.symmetric(sizeOf(spec));
    const slope = Array.from(grads[i]!.dataSync()).reduce((sum, g, k) => sum + g * direction[k]!, 0);
    const at = (distance: number) => {
      const moved = named[spec.name]!.map((value, k) => value + distance * direction[k]!);
      return tf.tidy(() => objective({ ...tensors, [spec.name]: tensorOf(spec, moved) }).dataSync()[0]!);
    };
    const measured = (at(step) - at(-step)) / (2 * step);
    // Central differences in float32: rounding 1e-6 * |f| / step, about 2e-3, and a curvature term of step^2.
    assertClose(slope, measured, { abs: 1e-2, rel: 2e-2, label: spec.name });
  });
});
