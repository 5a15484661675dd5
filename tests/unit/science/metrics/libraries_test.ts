import { assertEquals } from "@std/assert";
import reference from "../../../golden/metrics/libraries.json" with { type: "json" };
import { resizeImages, type ResizeKernel } from "../../../../science/pictures/resize.ts";
import { inceptionScore } from "../../../../science/metrics/inception_score.ts";
import { vectorsOf } from "../../../../science/metrics/vectors.ts";
import { assertAllClose, assertClose } from "../diffusion/assert_close.ts";
import { lcgValues } from "./lcg.ts";
import {
  frechetDistance,
  kernelDistance,
  manifoldFigures,
  matrix,
  statisticsOf,
} from "../../../support/plain_metrics.ts";

/**
 * Makes the features that pytorch-fid 0.3.0, torch-fidelity 0.4.0, PyTorch and Pillow were given, like `features` in
 * dev/metrics/make_fixtures.py.
 */
function features(seed: number, count: number, dimension: number, scale = 1, shift = 0): Float32Array {
  const rows = lcgValues(seed, count * dimension).map((u) => scale * u + shift);
  for (let row = 0; row < count; row++) {
    for (let j = 1; j < dimension; j += 2) rows[row * dimension + j]! += 0.5 * rows[row * dimension + j - 1]!;
  }
  return Float32Array.from(rows);
}

for (const [name, wanted] of Object.entries(reference.distances)) {
  const { real, fake, dimension } = wanted;
  const [x, y] = [features(1, real, dimension), features(2, fake, dimension, 1.2, 0.1)];
  const inBatches = (data: Float32Array, order: "forwards" | "backwards" = "forwards") => {
    // The batch size divides nothing, so that the last batch is smaller.
    const size = 7 * dimension;
    const batches = Array.from(
      { length: Math.ceil(data.length / size) },
      (_, i) => data.subarray(i * size, (i + 1) * size),
    );
    return statisticsOf(dimension, order === "forwards" ? batches : batches.reverse());
  };

  Deno.test(`the Frechet distance is that of pytorch-fid and torch-fidelity: ${name}`, async () => {
    const value = await frechetDistance(await inBatches(x), await inBatches(y));
    // With singular covariances, pytorch-fid keeps the rounding errors of zero eigenvalues, 1e-8 each after the root.
    const rel = Math.min(real, fake) > dimension ? 1e-6 : 1e-5;
    assertClose(value, wanted["pytorch-fid"], { rel });
    assertClose(value, wanted["torch-fidelity"], { rel });
    // Neither the batches nor their order matter, except for rounding.
    assertClose(await frechetDistance(await inBatches(x, "backwards"), await inBatches(y)), value, { rel: 1e-9 });
  });

  Deno.test(`the kernel distance is that of torch-fidelity: ${name}`, async () => {
    const count = wanted["kid of the first"];
    const first = (data: Float32Array) =>
      matrix(count, dimension, Float64Array.from(data.subarray(0, count * dimension)));
    // The distance is a difference of kernels of order 1.
    assertClose(await kernelDistance(first(x), first(y)), wanted.kid, { abs: 1e-9 });
  });

  Deno.test(`precision and recall are those of torch-fidelity: ${name}`, async () => {
    const { precision, recall } = await manifoldFigures(vectorsOf(x, dimension), vectorsOf(y, dimension), { k: 3 });
    // The libraries' figures are float32.
    assertAllClose([precision, recall], [wanted.precision, wanted.recall], { abs: 1e-6 });
  });
}

Deno.test("the inception score is that of torch-fidelity", () => {
  const logits = Float64Array.from(features(3, 100, 10), (value) => 8 * value);
  const { mean, deviation } = inceptionScore(logits, { classes: 10, splits: 10 });
  assertClose(mean, reference["inception score"].mean, { rel: 1e-9 });
  assertClose(deviation, reference["inception score"].deviation, { rel: 1e-7 });
});

Deno.test("images are resized as PyTorch does, and antialiased as Pillow does", () => {
  const { pixels, height, width, resized } = reference.resize;
  for (const [name, wanted] of Object.entries(resized)) {
    const [kernel, size, antialias] = name.split(" ") as [ResizeKernel, string, string | undefined];
    const options = { kernel, antialias: antialias !== undefined };
    const got = resizeImages({ count: 1, height, width, channels: 1, data: pixels }, Number(size), options);
    // Pillow computes in float32.
    assertAllClose(got, wanted, { abs: antialias === undefined ? 1e-9 : 1e-4, label: name });
  }
});

Deno.test("images of several channels are resized each for itself", () => {
  const { pixels, height, width } = reference.resize;
  const data = [...pixels, ...pixels].flatMap((value) => [value, 255 - value]);
  const options = { kernel: "bicubic", antialias: true } as const;
  const [one, all] = [
    resizeImages({ count: 1, height, width, channels: 1, data: pixels }, 5, options),
    resizeImages({ count: 2, height, width, channels: 2, data }, 5, options),
  ];
  assertEquals(all.length, 2 * 25 * 2);
  assertAllClose(all.filter((_, i) => i % 2 === 0), [...one, ...one], { abs: 1e-9 });
  assertAllClose(all.filter((_, i) => i % 2 === 1), [...one, ...one].map((value) => 255 - value), { abs: 1e-9 });
});
