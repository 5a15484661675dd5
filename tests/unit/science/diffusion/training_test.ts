import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import { adamStep, clipFactor, emaStep, globalNorm } from "../../../../science/diffusion/optimizer.ts";
import { adamBiasCorrections, emaDecayAt } from "../../../../science/diffusion/recipe.ts";
import { simpleLossPerImage } from "../../../../science/diffusion/loss.ts";
import { assertAllClose, assertClose } from "./assert_close.ts";

await tf.setBackend("cpu");

Deno.test("simpleLossPerImage() is the mean over pixels and channels of each image", () => {
  const eps = tf.tensor4d([1, 2, 3, 4, 0, 0, 0, 0], [2, 1, 2, 2]);
  const predicted = tf.tensor4d([1, 2, 3, 2, 1, 1, 1, 1], [2, 1, 2, 2]);
  assertEquals(Array.from(simpleLossPerImage(eps, predicted).dataSync()), [1, 1]);
});

/** Kingma & Ba 2015, algorithm 1, after scaling the gradient to the clip norm; float64. */
function adamReference(params: number[], gradients: number[][], learningRate: number, clipNorm: number): number[] {
  const m = params.map(() => 0);
  const v = params.map(() => 0);
  let theta = params;
  gradients.forEach((raw, i) => {
    const scale = Math.min(1, clipNorm / Math.hypot(...raw));
    theta = theta.map((p, k) => {
      const g = raw[k]! * scale;
      m[k] = 0.9 * m[k]! + 0.1 * g;
      v[k] = 0.999 * v[k]! + 0.001 * g * g;
      const mHat = m[k]! / (1 - 0.9 ** (i + 1));
      const vHat = v[k]! / (1 - 0.999 ** (i + 1));
      return p - learningRate * mHat / (Math.sqrt(vHat) + 1e-8);
    });
  });
  return theta;
}

// The first clip norm is larger than any gradient's.
for (const clipNorm of [3e38, 1]) {
  Deno.test(`adamStep() follows the published algorithm over 20 steps when the clip norm is ${clipNorm}`, () => {
    const start = [1, -2, 0.5];
    const gradients = Array.from({ length: 20 }, (_, i) => [Math.sin(i), 3 * Math.cos(2 * i), 1e-3 * (i - 7)]);
    let state = { params: tf.tensor1d(start) as tf.Tensor, m: tf.zeros([3]), v: tf.zeros([3]) };
    gradients.forEach((gradient, i) => {
      const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(i + 1);
      const grads = tf.tensor1d(gradient);
      // The norm over the parts is the norm of the whole.
      const gradNorm = globalNorm(tf.split(grads, [1, 2]));
      const next = adamStep(state, grads, clipFactor(gradNorm, tf.scalar(clipNorm)), {
        learningRate: tf.scalar(0.01),
        biasCorrection1: tf.scalar(biasCorrection1),
        biasCorrection2: tf.scalar(biasCorrection2),
      });
      assertClose(gradNorm.dataSync()[0]!, Math.hypot(...gradient), { rel: 1e-6 });
      state = next;
    });
    // float32 against float64 over 20 updates of at most 0.01.
    assertAllClose(state.params.dataSync(), adamReference(start, gradients, 0.01, clipNorm), { abs: 1e-6 });
  });
}

Deno.test("adamStep() leaves the parameters alone when the gradient is zero", () => {
  const one = tf.scalar(1);
  const zeros = tf.zeros([2]);
  const gradNorm = globalNorm([zeros]);
  const { params } = adamStep({ params: tf.tensor1d([1, 2]), m: zeros, v: zeros }, zeros, clipFactor(gradNorm, one), {
    learningRate: one,
    biasCorrection1: tf.scalar(0.1),
    biasCorrection2: tf.scalar(0.001),
  });
  assertEquals([...params.dataSync(), ...gradNorm.dataSync()], [1, 2, 0]);
});

Deno.test("adamBiasCorrections() counts steps from 1", () => {
  const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(1);
  assertClose(biasCorrection1, 0.1, { rel: 1e-15 });
  assertClose(biasCorrection2, 0.001, { rel: 1e-12 });
});

Deno.test("emaDecayAt() follows the stated rule when warmup is on and off", () => {
  const decay = 0.9999;
  assertEquals([1, 2, 90].map((step) => emaDecayAt(step, { decay, warmup: true })), [2 / 11, 3 / 12, 91 / 100]);
  assertEquals(emaDecayAt(1_000_000, { decay, warmup: true }), decay);
  assertEquals([1, 2, 1000].map((step) => emaDecayAt(step, { decay, warmup: false })), [0, decay, decay]);
});

Deno.test("emaStep() copies the parameters exactly when the decay is 0", () => {
  const params = tf.tensor1d([0.1, 1e-30, -7]);
  assertEquals(emaStep(tf.tensor1d([5, 5, 5]), params, tf.scalar(0)).dataSync(), params.dataSync());
  const mixed = emaStep(tf.tensor1d([1]), tf.tensor1d([2]), tf.scalar(0.75)).dataSync()[0]!;
  assert(mixed === 1.25);
});
