import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  extrapolationCounts,
  fitLine,
  meanAndDeviation,
  quantile,
  subsampledDeviation,
} from "../../../../science/metrics/spread.ts";
import { inceptionScore } from "../../../../science/metrics/inception_score.ts";
import { vectorsOf } from "../../../../science/metrics/vectors.ts";
import { randomStream } from "../../../../science/tensor/mod.ts";
import { assertClose, TWELVE_DIGITS } from "../diffusion/assert_close.ts";
import { deviationRatio } from "../../../support/deviation_trials.ts";
import { lcgValues } from "./lcg.ts";
import { kernelDistance, kernelDistanceOfSubsets, manifoldFigures, matrix } from "../../../support/plain_metrics.ts";

/**
 * Returns the two sets of the reference: LCG(1) as 200 x 6, and 1.5 LCG(2) + 0.1 as 150 x 6 whose column 1 is
 * correlated with column 0.
 */
function lcgSets() {
  const x = lcgValues(1, 200 * 6);
  const y = lcgValues(2, 150 * 6).map((u) => 1.5 * u + 0.1);
  for (let row = 0; row < 150; row++) y[row * 6 + 1]! += 0.5 * y[row * 6]!;
  return { x: matrix(200, 6, x), y: matrix(150, 6, y) };
}

const column = (...values: number[]) => matrix(values.length, 1, Float64Array.from(values));
const vectors = (...values: number[]) => vectorsOf(Float32Array.from(values), 1);

Deno.test("kernelDistance() has the values of numpy", async () => {
  // Cubic kernel, unbiased, float64.
  const { x, y } = lcgSets();
  assertClose(await kernelDistance(x, y), 0.0539933073799, TWELVE_DIGITS);
  // By hand, d = 1: within {0, 1}: 1; within {0, 2}: 1; across: (1 + 1 + 1 + 27) / 4.
  assertEquals(await kernelDistance(column(0, 1), column(0, 2)), -13);
});

Deno.test("kernelDistance() does not depend on the order of the vectors", async () => {
  const { x, y } = lcgSets();
  const reversed = matrix(200, 6, x.data.toReversed());
  const mirrored = matrix(150, 6, y.data.toReversed());
  // Reversing all numbers reverses the rows and, in both sets alike, the columns.
  assertClose(await kernelDistance(reversed, mirrored), await kernelDistance(x, y), { rel: 1e-12 });
});

Deno.test("kernelDistanceOfSubsets() has mean and deviation of the subsets' own distances, however many they share", async () => {
  const random = randomStream({ seed: 0, stream: "test" });
  // Small subsets of large sets are taken one by one, large subsets of small sets from all pairs: with one tile and
  // with two.
  const cases = [
    { counts: [300, 200], subsets: 3, size: 20 },
    { counts: [150, 150], subsets: 3, size: 150 },
    { counts: [1_100, 700], subsets: 4, size: 650 },
  ] as const;
  for (const { counts, subsets, size } of cases) {
    const sets = counts.map((count, i) => ({
      vectors: vectorsOf(random.normal(i, count * 3), 3),
      subsets: Array.from(
        { length: subsets },
        (_, subset) => random.permutation(10 + 2 * subset + i, count).slice(0, size),
      ),
    }));
    const given = await kernelDistanceOfSubsets(sets[0]!, sets[1]!);
    const values: number[] = [];
    for (let subset = 0; subset < subsets; subset++) {
      const [x, y] = await Promise.all(sets.map(async ({ vectors, subsets }) => {
        return matrix(size, 3, Float64Array.from(await vectors.rows(subsets[subset]!)));
      }));
      values.push(await kernelDistance(x!, y!));
    }
    const mean = values.reduce((sum, value) => sum + value) / subsets;
    // The values are differences of sums near 1, so the tolerance is absolute.
    assertClose(given.mean, mean, { abs: 1e-12 });
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets);
    assertClose(given.deviation, deviation, { abs: 1e-12 });
  }
});

Deno.test("inceptionScore() is the number of classes for sure answers, and 1 for answers that say nothing", () => {
  const sure = Float64Array.from({ length: 100 }, (_, i) => Math.floor(i / 10) === i % 10 ? 1000 : 0);
  assertClose(inceptionScore(sure, { classes: 10, splits: 1 }).mean, 10, TWELVE_DIGITS);
  const same = { classes: 10, splits: 2 };
  assertClose(inceptionScore(new Float32Array(100), same).mean, 1, TWELVE_DIGITS);
  // p = [[.7, .2, .1], [.1, .8, .1]], numpy float64.
  const logits = Float64Array.of(0.7, 0.2, 0.1, 0.1, 0.8, 0.1).map(Math.log);
  assertClose(inceptionScore(logits, { classes: 3, splits: 1 }).mean, 1.249724574, { rel: 1e-9 });
});

Deno.test("manifoldFigures() has the precision and recall of the reference", async () => {
  // k = 1: balls of radius 1 around 0, 1, 2, 3; both fakes reach 9.5.
  const figures = await manifoldFigures(vectors(0, 1, 2, 3), vectors(0.5, 10), { k: 1 });
  assertEquals([figures.precision, figures.recall], [0.5, 1]);
  // 0.5 lies in the balls of 0 and 1: 2 balls over k M = 2; two of the four real vectors have a fake within reach.
  assertEquals([figures.density, figures.coverage], [1, 0.5]);
});

Deno.test("manifoldFigures() of a set against itself covers all", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 5, max: 30 }), fc.nat(1e6), async (count, seed) => {
      const set = vectorsOf(Float32Array.from(lcgValues(seed, 3 * count)), 3);
      const { precision, recall, coverage } = await manifoldFigures(set, set, { k: 3 });
      assertEquals([precision, recall, coverage], [1, 1, 1]);
    }),
    { numRuns: 50 },
  );
});

Deno.test("fitLine() finds the line and says how sure the intercept is", () => {
  const line = fitLine([{ x: 1, y: 5 }, { x: 2, y: 7 }, { x: 4, y: 11 }]);
  assertClose(line.intercept, 3, TWELVE_DIGITS);
  assertClose(line.slope, 2, TWELVE_DIGITS);
  assertClose(line.interceptError, 0, { abs: 1e-12 });
  // y = 0, 1, 2, 4 at x = 0..3: statsmodels OLS gives -0.2 +- sqrt(0.15 * (1/4 + 1.5^2 / 5)).
  const noisy = fitLine([0, 1, 2, 4].map((y, x) => ({ x, y })));
  assertClose(noisy.intercept, -0.2, TWELVE_DIGITS);
  assertClose(noisy.interceptError, Math.sqrt(0.15 * (0.25 + 2.25 / 5)), TWELVE_DIGITS);
});

Deno.test("extrapolationCounts() are equal steps of 1/N up to all there is", () => {
  const counts = extrapolationCounts(10_000, 2);
  assertEquals([counts[0], counts.at(-1)], [1000, 10_000]);
  const steps = counts.slice(1).map((count, i) => 1 / counts[i]! - 1 / count);
  steps.forEach((step) => assertClose(step, 1e-4, { rel: 0.02 }));
  assertEquals(extrapolationCounts(100, 80)[0], 80);
});

Deno.test("subsampledDeviation() is near what new sets of images would scatter by, alike or not", async () => {
  // The whole range of docs/metrics.md is in tests/long; with replacement, the last case gives 2.0.
  for (const [count, dimension, shift] of [[60, 4, 0], [60, 4, 0.5], [30, 8, 0], [40, 8, 0.5], [60, 30, 0]] as const) {
    const trials = { drawn: 200, judged: 20, times: 20 };
    const ratio = await deviationRatio({ count, dimension, shift }, trials);
    // Half of the error comes from the 200 values (5%), half from 20 deviations that are each off by a quarter.
    assert(ratio > 0.75 && ratio < 1.35, `${count} x ${dimension}, shifted by ${shift}: ${ratio}`);
  }
});

Deno.test("subsampledDeviation() of a mean is its standard error, and of equal values 0", async () => {
  const values = Float64Array.from({ length: 41 }, (_, i) => Math.sin(i) * 3);
  const order = randomStream({ seed: 3, stream: "test/orders" });
  const shuffle = (time: number) => [0, 1].map((side) => order.permutation(2 * time + side, values.length));
  const mean = (some: Int32Array) => some.reduce((sum, i) => sum + values[i]!, 0) / some.length;
  const options = { times: 400, onTime: () => {} };
  const difference = (some: Int32Array, others: Int32Array) => Promise.resolve(mean(some) - mean(others));
  const { deviation } = meanAndDeviation([...values]);
  // Two means of 41 values: s sqrt(2 / n), with s over n - 1.
  const wanted = deviation * Math.sqrt(2 / (values.length - 1));
  assertClose(await subsampledDeviation(shuffle, difference, options), wanted, { rel: 0.05 });
  assertEquals(await subsampledDeviation(shuffle, () => Promise.resolve(7), options), 0);
});

Deno.test("quantile() lies between the numbers beside its place; the median of an even count is the mean of both", () => {
  // numpy.quantile of the same numbers.
  for (
    const [numbers, share, wanted] of [
      [[7], 0.5, 7],
      [[1, 2], 0.5, 1.5],
      [[1, 2, 10], 0.5, 2],
      [[1, 2, 10, 20], 0.5, 6],
      [[1, 2, 10, 20], 0.05, 1.15],
      [[1, 2, 10, 20], 1, 20],
    ] as const
  ) assertClose(quantile(numbers, share), wanted, TWELVE_DIGITS);
});
