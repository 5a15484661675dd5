import { testImages, testStage } from "noiseline/testing";
import { deepEqual } from "node:assert/strict";
import stage from "./new_stage.ts";

// Three images of one pixel: black, white and white.
const images = await testImages([3, 1, 1, 1], new Uint8Array([0, 255, 255]));

Deno.test("the stage measures the mean brightness", async () => {
  const { end, outputs } = await testStage(stage, { inputs: { images } });
  deepEqual(end, undefined);
  const [metric] = JSON.parse(outputs.metrics.text("metrics.json")).metrics;
  deepEqual([metric.value, metric.count], [2 / 3, 3]);
});

Deno.test("the stage resumes to the same bytes", async () => {
  const folder = await Deno.makeTempDir();
  const options = { inputs: { images }, progressFolder: folder };
  const stop = AbortSignal.abort();
  const stopped = await testStage(stage, { ...options, stop });
  deepEqual(stopped.end, { status: "interrupted", step: 1 });
  const resumed = await testStage(stage, options);
  const whole = await testStage(stage, { inputs: { images } });
  const text = (run: typeof whole) => run.outputs.metrics.text("metrics.json");
  deepEqual(text(resumed), text(whole));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the stage fails with a message for a single image", async () => {
  const one = await testImages([1, 1, 1, 1], new Uint8Array([0]));
  const { end } = await testStage(stage, { inputs: { images: one } });
  deepEqual(end?.status, "failed");
});
