import { defineStage, randomStream } from "noiseline";
import { describeImageSet, readImages, writeMetrics } from "noiseline/data";
import { z } from "zod";

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export default defineStage({
  summary: "Mean brightness of a set of images, and its standard error",
  params: z.strictObject({
    resamples: z.int().min(2).max(10_000).default(100).describe(
      "Bootstrap resamples for the standard error",
    ),
  }),
  inputs: {
    images: { type: "images", description: "Images to measure" },
  },
  outputs: {
    metrics: { type: "metrics", description: "mean brightness, 0 to 1" },
  },
  // The stage uses random numbers, so the pipeline's seed becomes part of its key.
  seeded: true,
  async run({ params, seed, inputs, outputs, progress, stop, report }) {
    const images = await readImages(inputs.images);
    const { count } = images.info;
    if (count < 2) {
      // Returned, not thrown: a throw is a bug in the stage.
      return {
        status: "failed",
        message: "a standard error needs at least two images",
      };
    }
    const size = images.pixels.length / count;
    const brightness = Array.from({ length: count }, (_, i) => {
      const pixels = images.pixels.subarray(i * size, (i + 1) * size);
      return pixels.reduce((sum, byte) => sum + byte, 0) / (255 * size);
    });

    // Random numbers depend on seed and step only, so a resumed run gets the same numbers.
    const random = randomStream({ seed, stream: "new_stage" });
    const saved = await progress.latest();
    const means: number[] = saved === undefined
      ? []
      : JSON.parse(new TextDecoder().decode(await saved.read("means.json")));
    while (means.length < params.resamples) {
      const drawn = random.integers(means.length, count, count);
      means.push(mean(Array.from(drawn, (image) => brightness[image]!)));
      const step = means.length;
      report({ done: step, total: params.resamples, unit: "resample" });
      // Waiting for a timer lets a request to stop arrive.
      await new Promise((resolve) => setTimeout(resolve));
      if (stop.aborted || progress.isDue(60)) {
        const state = new TextEncoder().encode(JSON.stringify(means));
        await progress.save(step, { "means.json": state });
      }
      if (stop.aborted) return { status: "interrupted", step };
    }

    const value = mean(brightness);
    const variance = mean(means.map((one) => (one - value) ** 2));
    await writeMetrics(outputs.metrics, {
      seed,
      images: { images: describeImageSet(inputs.images, images, count) },
      metrics: [{
        name: "mean brightness",
        value,
        deviation: Math.sqrt(variance),
        count,
      }],
    });
    return undefined;
  },
});
