import { assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import "../../../../science/tensor/complete_tfjs.ts";
import {
  boundTermPerImage,
  discretizedLogLikelihoodTensor,
  normalKlTensor,
} from "../../../../science/diffusion/loss.ts";
import { BYTES, formOf, normalize, rangeNormalizer, type ValueForm } from "../../../../science/diffusion/normalizer.ts";
import {
  binsOf,
  boundTermFloat64,
  discretizedLogLikelihood,
  normalKl,
} from "../../../../science/diffusion/likelihood_float64.ts";
import { makeBetas } from "../../../../science/diffusion/schedule/betas.ts";
import { makeTables, priorKlBitsPerDim } from "../../../../science/diffusion/schedule/tables.ts";
import { assertClose, TWELVE_DIGITS } from "./assert_close.ts";
import { qSampleFloat64 } from "../../../support/diffusion_references.ts";

await tf.setBackend("cpu");

const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
const pixel = (k: number) => k / 127.5 - 1;

/** hojonathanho/diffusion, `discretized_gaussian_log_likelihood` in numpy float64: level, mean, log scale, nats. */
const DECODER = [
  [128, 0.00392156862745, Math.log(1 / 255), -0.382162757265],
  [128, 0, -2, -3.76761730391],
  [0, -1, -3, -0.6322575801],
  [255, 1, -3, -0.6322575801],
  [0, 0, -1, -5.74036285588],
  [200, 0.5, -4, -8.93387320205],
  [10, 0.9, -5, -27.6310211159],
] as const;

Deno.test("discretizedLogLikelihood() gives the values of the paper's code, on tensors too", () => {
  for (const [k, mean, logScale, wanted] of DECODER) {
    // Printed means have twelve digits, and the first lies on a slope of 255 for its bin.
    assertClose(discretizedLogLikelihood(pixel(k), { mean, logVariance: 2 * logScale }), wanted, { rel: 1e-10 });
    const tensor = discretizedLogLikelihoodTensor(tf.scalar(pixel(k)), {
      mean: tf.scalar(mean),
      logVariance: tf.scalar(2 * logScale),
    });
    // The bin is 2 / 255 wide, and the difference of pixel and mean is rounded to 6e-8.
    assertClose(tensor.dataSync()[0]!, wanted, { rel: 1e-5, label: `level ${k}` });
  }
});

Deno.test("discretizedLogLikelihood() shares one unit of probability among the 256 levels", () => {
  for (const [mean, logVariance] of [[0, -2], [0.9, -9], [-1, 0]] as const) {
    let sum = 0;
    for (let k = 0; k < 256; k++) sum += Math.exp(discretizedLogLikelihood(pixel(k), { mean, logVariance }));
    // Each level adds the floor of 1e-12 when it is far away from the mean.
    assertClose(sum, 1, { abs: 3e-10 });
  }
});

Deno.test("the decoder charges a perfect mean what it does in the paper's code", () => {
  const bits = (k: number) => {
    const inputs = { x0: pixel(k), xt: 0.7, predictedX0: pixel(k), logVariance: tables.fixedLargeLogVariance[0]! };
    return boundTermFloat64(inputs, { tables, t: 0 }) / Math.LN2;
  };
  assertClose(bits(128), 1.30566514529, TWELVE_DIGITS);
  assertClose(bits(0), 0.509907878985, TWELVE_DIGITS);
});

/**
 * Returns the expected terms t >= 1 of the bound for data N(0, 1) and the exact network, x_0 = sqrt(A) x: the KL is
 * quadratic in (x_0, eps), so that four corners of +-1 have the same mean as two normals.
 */
function expectedTerms(logVariances: Float64Array): number {
  let sum = 0;
  for (let t = 1; t < tables.timesteps; t++) {
    const at = { tables, t };
    for (const [x0, noise] of [[1, 1], [1, -1], [-1, 1], [-1, -1]] as const) {
      const xt = qSampleFloat64(x0, noise, at);
      const predictedX0 = tables.sqrtAlphasCumprod[t]! * xt;
      sum += boundTermFloat64({ x0, xt, predictedX0, logVariance: logVariances[t]! }, at) / 4;
    }
  }
  return sum;
}

Deno.test("the bound of an exact model telescopes", () => {
  // 0.5 ln((1 - A_T) / (1 - A_0)) in closed form; fixedsmall by numpy float64.
  assertClose(expectedTerms(tables.fixedLargeLogVariance), 4.60515000643, TWELVE_DIGITS);
  assertClose(expectedTerms(tables.posteriorLogVarianceClipped), 5.07004232518, TWELVE_DIGITS);
  const [first, last] = [tables.sqrtOneMinusAlphasCumprod[0]!, tables.sqrtOneMinusAlphasCumprod[999]!];
  assertClose(Math.log(last / first), 4.60515000643, TWELVE_DIGITS);
});

Deno.test("the prior of the linear schedule is what the paper rounds to 1e-5", () => {
  assertClose(priorKlBitsPerDim(tables, 1), 2.91129454203e-05, TWELVE_DIGITS);
  assertClose(priorKlBitsPerDim(tables, 1 / 3), 9.70470679235e-06, TWELVE_DIGITS);
});

Deno.test("normalKlTensor() agrees with normalKl()", () => {
  for (const [m1, l1, m2, l2] of [[1, 0, 0, 0], [0, Math.log(2), 0, 0], [0.5, -1, 0.25, 0.3]] as const) {
    const [p, q] = [[m1, l1], [m2, l2]].map(([mean, logVariance]) => ({
      mean: tf.scalar(mean!),
      logVariance: tf.scalar(logVariance!),
    }));
    const wanted = normalKl({ mean: m1, logVariance: l1 }, { mean: m2, logVariance: l2 });
    assertClose(normalKlTensor(p!, q!).dataSync()[0]!, wanted, { rel: 1e-6 });
  }
});

Deno.test("boundTermPerImage() takes the likelihood at t = 0 and the divergence elsewhere", () => {
  const x0 = tf.tensor4d([0.5, -1, 0.2, 1], [2, 1, 2, 1]);
  const model = { mean: tf.mul(x0, 0.9), logVariance: tf.fill([2, 1, 2, 1], -4) };
  const truth = { mean: x0, logVariance: tf.fill([2, 1, 1, 1], -5) };
  const got = boundTermPerImage(x0, { truth, model, isFirst: tf.tensor1d([1, 0]) }).dataSync();
  const decoder = [0.5, -1].map((x) => -discretizedLogLikelihood(x, { mean: 0.9 * x, logVariance: -4 }));
  const kl = [0.2, 1].map((x) => normalKl({ mean: x, logVariance: -5 }, { mean: 0.9 * x, logVariance: -4 }));
  assertEquals(got.length, 2);
  assertClose(got[0]!, (decoder[0]! + decoder[1]!) / 2 / Math.LN2, { rel: 1e-4 });
  assertClose(got[1]!, (kl[0]! + kl[1]!) / 2 / Math.LN2, { rel: 1e-5 });
});

Deno.test("L_0 in training is evaluate's and the reference's, for every normaliser of integers", () => {
  // -log of the share of a Gaussian between the levels' edges, in stored values: no bins of the network's numbers.
  const reference = (level: number, most: number, { mean, deviation }: Record<"mean" | "deviation", number>) => {
    const cdf = (edge: number) => {
      const z = (edge - mean) / deviation;
      return 1 / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
    };
    const [low, high] = [level === 0 ? 0 : cdf(level - 0.5), level === most ? 1 : cdf(level + 0.5)];
    return -Math.log(high - low) / Math.LN2;
  };
  const normalizers = fc.array(
    fc.record({
      scale: fc.double({ min: 5, max: 300, noNaN: true }),
      shift: fc.double({ min: -5, max: 5, noNaN: true }),
    }),
    { minLength: 1, maxLength: 2 },
  );
  const cases = fc.record({
    dtype: fc.constantFrom("uint8", "uint16"),
    normalizers,
    levels: fc.array(fc.integer({ min: 1, max: 254 }), { minLength: 2, maxLength: 2 }),
    off: fc.double({ min: -2, max: 2, noNaN: true }),
    deviation: fc.double({ min: 1, max: 5, noNaN: true }),
  });
  fc.assert(
    fc.property(cases, ({ dtype, normalizers, levels, off, deviation }) => {
      const most = dtype === "uint8" ? 255 : 65_535;
      const [scale, shift] = [normalizers.map((one) => one.scale), normalizers.map((one) => one.shift)];
      const form: ValueForm = { dtype, normalizer: { how: "moments", scale, shift } };
      const bins = binsOf(form)!;
      const values = Float32Array.of(...levels, 0, most);
      const [x, mean, logVariance] = [0, 1, 2].map(() => new Float32Array(4)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      normalize(values, x, form.normalizer);
      const scaleAt = (i: number) => scale[i % scale.length]!;
      x.forEach((one, i) => mean[i] = one + off / scaleAt(i));
      logVariance.forEach((_, i) => logVariance[i] = 2 * Math.log(deviation / scaleAt(i)));
      const shape: [number, number, number, number] = [1, 1, 2, 2];
      const model = { mean: tf.tensor4d(mean, shape), logVariance: tf.tensor4d(logVariance, shape) };
      const trained = boundTermPerImage(tf.tensor4d(x, shape), {
        truth: model,
        model,
        isFirst: tf.tensor1d([1]),
        bins,
      });
      const evaluated = Array.from(x, (one, i) => {
        const gaussian = { mean: mean[i]!, logVariance: logVariance[i]! };
        return -discretizedLogLikelihood(one, gaussian, bins[i % bins.length]) / Math.LN2;
      });
      const wanted = Array.from(values, (level) => reference(level, most, { mean: level + off, deviation }));
      const average = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one) / numbers.length;
      // The last level of 16 bits is 65,535 / scale from 0, in float32, in units of a deviation of one level or more.
      const tolerance = dtype === "uint8" ? { rel: 1e-3 } : { rel: 3e-2 };
      assertClose(trained.dataSync()[0]!, average(evaluated), tolerance);
      assertClose(average(evaluated), average(wanted), tolerance);
    }),
  );
});

Deno.test("binsOf() gives bytes the bins of the paper's code, and shares one unit among the levels of any integers", () => {
  assertEquals(binsOf(BYTES), [{ half: 1 / 255, first: -0.999, last: 0.999 }]);
  assertEquals(binsOf({ ...BYTES, dtype: "float32" }), undefined);
  const forms: [ValueForm, number][] = [
    [formOf({ dtype: "uint16" }), 65_536],
    [{ dtype: "uint16", normalizer: rangeNormalizer(0, 4095) }, 65_536],
    [{ dtype: "uint8", normalizer: { how: "moments", scale: [40], shift: [2.5] } }, 256],
  ];
  for (const [form, levels] of forms) {
    const [bins] = binsOf(form)!;
    const values = form.dtype === "uint16" ? new Uint16Array(levels) : new Uint8Array(levels);
    values.forEach((_, level) => values[level] = level);
    const x = new Float32Array(levels);
    normalize(values, x, form.normalizer);
    // Narrow enough to see single bins at 8 bits; wide enough that no bin falls below the smallest probability.
    for (const mean of [x[0]!, 0.1, x[levels - 1]!]) {
      let sum = 0;
      for (const level of x) {
        sum += Math.exp(discretizedLogLikelihood(level, { mean, logVariance: Math.log(0.01) }, bins!));
      }
      // Up to levels x 1e-12, the smallest probability; x in float32 moves each bin by 1e-7 of its distance from 0.
      assertClose(sum, 1, { abs: 1e-4 });
    }
  }
});
