import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { FeatureStatistics } from "../../../../science/metrics/statistics.ts";
import { assertClose, TWELVE_DIGITS } from "../diffusion/assert_close.ts";
import { lcgValues } from "./lcg.ts";
import { frechetDistance, statisticsOf } from "../../../support/plain_metrics.ts";

const moments = (mean: number[], covariance: number[]): FeatureStatistics => ({
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance),
});
const zeros = (size: number) => new Array<number>(size).fill(0);
const matrix = (size: number, f: (i: number, j: number) => number) =>
  Array.from({ length: size * size }, (_, k) => f(Math.floor(k / size), k % size));
const diagonal = (...values: number[]) => matrix(values.length, (i, j) => i === j ? values[i]! : 0);

// Rounding of two eigendecompositions in float64.
const DECOMPOSED = { rel: 1e-11 };

Deno.test("frechetDistance() is the closed form when the covariances are diagonal", async () => {
  // Diagonal covariances: |m1 - m2|^2 + sum (s1 - s2)^2 with s the standard deviations.
  const scaled = await frechetDistance(
    moments(zeros(64), diagonal(...zeros(64).fill(1))),
    moments(zeros(64), diagonal(...zeros(64).fill(4))),
  );
  assertClose(scaled, 64, DECOMPOSED);
  const mixed = await frechetDistance(moments([0, 0, 0], diagonal(1, 4, 9)), moments([1, 2, 2], diagonal(4, 1, 16)));
  assertClose(mixed, 12, DECOMPOSED);
  assertClose(await frechetDistance(moments([0], [1]), moments([3], [4])), 10, DECOMPOSED);
});

Deno.test("frechetDistance() is exactly the distance of the means when the covariances are equal", async () => {
  // mseitzer/pytorch-fid tests this with 2048 dimensions, mean 0 against 1.
  const size = 2048;
  const covariance = new Float64Array(size * size);
  for (let i = 0; i < size; i++) covariance[i * size + i] = 1;
  const distance = await frechetDistance(
    { mean: new Float64Array(size), covariance },
    { mean: new Float64Array(size).fill(1), covariance: covariance.slice() },
  );
  assertEquals(distance, 2048);
});

Deno.test("frechetDistance() is the closed form when 2 x 2 covariances are full", async () => {
  // tr sqrt(AB) = sqrt(tr AB + 2 sqrt(det A det B)), numpy float64.
  const a = moments([0, 0], [2, 1, 1, 2]);
  assertClose(await frechetDistance(a, moments([0, 0], [3, -1, -1, 3])), 1.10102051443, DECOMPOSED);
  assertClose(await frechetDistance(a, moments([0, 0], diagonal(1, 4))), 0.771220447654, DECOMPOSED);
});

Deno.test("frechetDistance() agrees with numpy when the covariances are those of AR(1) processes", async () => {
  const process = (r: number) => moments(zeros(8), matrix(8, (i, j) => r ** Math.abs(i - j)));
  // numpy float64, eigh of both sides.
  assertClose(await frechetDistance(process(0.5), process(-0.3)), 2.23404684763, DECOMPOSED);
});

Deno.test("frechetDistance() is right when the covariances are singular", async () => {
  assertClose(
    await frechetDistance(moments([0, 0], diagonal(1, 0)), moments([0, 0], diagonal(0, 1))),
    2,
    TWELVE_DIGITS,
  );
  // Against a point, the distance is the trace.
  assertClose(await frechetDistance(moments([0, 0], [2, 1, 1, 2]), moments([0, 0], zeros(4))), 4, TWELVE_DIGITS);
});

Deno.test("frechetDistance() agrees with numpy on data that any language can make", async () => {
  const x = lcgValues(1, 200 * 6);
  const y = lcgValues(2, 150 * 6).map((u) => 1.5 * u + 0.1);
  for (let row = 0; row < 150; row++) y[row * 6 + 1]! += 0.5 * y[row * 6]!;
  // numpy float64, covariance with ddof 1.
  assertClose(
    await frechetDistance(await statisticsOf(6, [x]), await statisticsOf(6, [y])),
    0.262451073257,
    DECOMPOSED,
  );
});

// Sets with fewer vectors than dimensions occur too: singular covariances.
const randomData = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 10 }), fc.nat(1e6), fc.nat(1e6))
  .map(([dimension, count, a, b]) => ({ dimension, data: [a, b].map((seed) => lcgValues(seed, dimension * count)) }));

Deno.test("frechetDistance() is zero to itself, symmetric and never negative", async () => {
  await fc.assert(
    fc.asyncProperty(randomData, async ({ dimension, data }) => {
      const [a, b] = [await statisticsOf(dimension, [data[0]!]), await statisticsOf(dimension, [data[1]!])];
      assertEquals(await frechetDistance(a, a), 0);
      const distance = await frechetDistance(a, b);
      assert(Number.isFinite(distance) && distance >= 0);
      // Singular directions have eigenvalues that are rounding errors, 1e-17, whose square roots are 3e-9.
      assertClose(await frechetDistance(b, a), distance, { abs: 1e-7 });
    }),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("frechetDistance() grows with the noise that one side gets", async () => {
  const x = lcgValues(1, 400 * 5);
  const noise = lcgValues(9, 400 * 5);
  const clean = await statisticsOf(5, [x]);
  let last = -1;
  for (const level of [0, 0.1, 0.3, 0.6, 1, 2]) {
    const distance = await frechetDistance(
      clean,
      await statisticsOf(5, [x.map((value, i) => value + level * noise[i]!)]),
    );
    assert(distance > last, `${level}: ${distance}`);
    last = distance;
  }
});
