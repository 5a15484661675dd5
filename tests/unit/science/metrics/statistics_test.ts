import fc from "fast-check";
import type { FeatureStatistics } from "../../../../science/metrics/statistics.ts";
import { assertAllClose } from "../diffusion/assert_close.ts";
import { lcgValues } from "./lcg.ts";
import { statisticsOf } from "../../../support/plain_metrics.ts";

function assertSame(got: FeatureStatistics, want: FeatureStatistics, tolerance: { rel: number; abs: number }): void {
  assertAllClose(got.mean, want.mean, { ...tolerance, label: "mean" });
  assertAllClose(got.covariance, want.covariance, { ...tolerance, label: "covariance" });
}

Deno.test("statisticsOf() gives the textbook mean and covariance when the data are small", async () => {
  // By hand: x = 1, 2, 6 and y = 2, 0, 1; sums of products of deviations 14, -1, 2, over N - 1 = 2.
  const { mean, covariance } = await statisticsOf(2, [Float64Array.of(1, 2, 2, 0, 6, 1)]);
  assertAllClose(mean, [3, 1], { abs: 1e-15 });
  assertAllClose(covariance, [7, -0.5, -0.5, 1], { abs: 1e-15 });
});

Deno.test("statisticsOf() keeps its digits when the mean is a million deviations away", async () => {
  const data = lcgValues(1, 3000);
  const near = await statisticsOf(3, [data]);
  const far = await statisticsOf(3, [data.map((x) => x + 1e6)]);
  // Adding 1e6 rounds each number to 1e-10; a sum of squares would have kept only four digits.
  assertAllClose(far.covariance, near.covariance, { abs: 1e-10 });
});

Deno.test("statisticsOf() gives the same when the vectors are split anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 40 }),
      fc.nat(40),
      fc.integer({ min: 1, max: 5 }),
      async (count, cut, dimension) => {
        const data = lcgValues(count, count * dimension).map((x) => 3 * x + 7);
        const middle = Math.min(cut, count) * dimension;
        const chunks = [data.subarray(0, middle), data.subarray(middle)].filter(({ length }) => length > 0);
        const parts = await statisticsOf(dimension, chunks);
        // float64 sums of 40 terms of order 10.
        assertSame(parts, await statisticsOf(dimension, [data]), { rel: 1e-12, abs: 1e-12 });
      },
    ),
    { seed: 1, numRuns: 100 },
  );
});
