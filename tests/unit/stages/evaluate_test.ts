import { assert, assertEquals } from "@std/assert";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { readImages, writeImages } from "../../../artifacts/images.ts";
import { readLog } from "../../../artifacts/log.ts";
import { BYTES, type Normalizer } from "../../../science/diffusion/normalizer.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { averageLosses, drawTimesteps } from "../../../stages/evaluate/evaluator.ts";
import { evaluateKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { makeBuckets } from "../../../stages/shared/timestep_buckets.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";
import { SMALL_TRAINING, smallCheckpoint, smallImages, withFolder } from "./small_world.ts";

async function metricsOf({ end, outputs }: StageOutcome): Promise<Metrics> {
  assertEquals(end, undefined);
  return JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
}

Deno.test("evaluate does not depend on the batch size beyond rounding, nor on a stop in the middle", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, test } = await smallCheckpoint(folder);
    const inputs = { checkpoint, images: test };
    const evaluate = (params: Record<string, unknown>, options = {}) =>
      runStage(folder, evaluateKind, { params: { buckets: 3, ...params }, inputs, ...options });
    const by4 = await evaluate({ batchSize: 4 });
    const [whole, parts] = [await metricsOf(await evaluate({ batchSize: 10 })), await metricsOf(by4)];
    assertEquals(whole.metrics.map(({ count }) => count), [10, 4, 3, 3]);
    assertEquals(whole.metrics.map(({ timesteps }) => timesteps), [
      undefined,
      { from: 0, to: 16 },
      { from: 16, to: 33 },
      { from: 33, to: 50 },
    ]);
    // The same sums in another order, float32.
    whole.metrics.forEach(({ value }, i) => assertClose(parts.metrics[i]!.value, value, { rel: 1e-5 }));
    assertEquals({ ...whole, metrics: [] }, { ...parts, metrics: [] });
    assertEquals([whole.seed, whole.model?.weights, whole.model?.step], [0, "ema", 2]);
    assertEquals(whole.images["images"]!.source["split"], "test");

    const stop = new AbortController();
    const progress = new MemoryProgress();
    const onReport = () => stop.abort();
    const stopped = await evaluate({ batchSize: 4 }, { progress, stop: stop.signal, onReport });
    assertEquals(stopped.end, { status: "interrupted", step: 4 });
    assertEquals(digests(await evaluate({ batchSize: 4 }, { progress })), digests(by4));
  });
});

Deno.test("drawTimesteps() keeps to the buckets, in turn, and does not depend on the number of images", () => {
  const buckets = makeBuckets(1_000, 7);
  assertEquals([buckets[0]!.from, buckets.at(-1)!.to], [0, 1_000]);
  const timesteps = drawTimesteps(100, { buckets, seed: 3 });
  timesteps.forEach((t, image) => {
    const { from, to } = buckets[image % 7]!;
    assert(t >= from && t < to);
  });
  assertEquals(drawTimesteps(40, { buckets, seed: 3 }), timesteps.subarray(0, 40));
});

Deno.test("averageLosses() weighs buckets by their width", () => {
  const { overall, perBucket } = averageLosses(Float64Array.of(1, 10, 3), [{ from: 0, to: 3 }, { from: 3, to: 4 }]);
  assertEquals(perBucket, [{ from: 0, to: 3, count: 2, mean: 2 }, { from: 3, to: 4, count: 1, mean: 10 }]);
  // 3 / 4 of the timesteps have a mean of 2, 1 / 4 have 10.
  assertEquals(overall, 4);
});

Deno.test("the L_0 that a training lowers is the one that evaluate reports, under every normaliser of bytes", async () => {
  await withFolder(async (folder) => {
    const { train } = await smallImages(folder);
    const { pixels, info, labels } = await readImages(train);
    const params = { betas: "ldm/linear", timesteps: 1 };
    const { outputs: { schedule } } = await runStage(folder, scheduleKind, { params });
    const normalizers: Normalizer[] = [
      BYTES.normalizer,
      { how: "moments", scale: [75], shift: [0.5] },
      { how: "percentiles", scale: [20], shift: [4] },
    ];
    const values: number[] = [];
    for (const normalizer of normalizers) {
      const place = await Deno.makeTempDir({ dir: folder });
      // Without black, whose probability is almost 1.
      const stored = pixels.map((value, i) => Math.max(value, i % 120 + 60));
      await writeImages(openOutput(place), { info: { ...info, normalizer }, pixels: stored, labels });
      const images = openInput(folderArtifact(place, "images"));
      const { end, outputs: { checkpoint, log } } = await runStage(folder, trainKind, {
        params: {
          ...{ ...SMALL_TRAINING, learningRate: 1e-6, batchSize: 30, steps: 1, flip: false },
          ...{ variance: "learned", weighting: "vlb" },
        },
        inputs: { images, schedule: schedule! },
      });
      assertEquals(end, undefined);
      const [step] = await readLog(log!);
      const inputs = { checkpoint: checkpoint!, images };
      const bound = await runStage(folder, evaluateKind, { params: { bound: { timesteps: 1 }, buckets: 1 }, inputs });
      const { metrics } = await metricsOf(bound);
      values.push(metrics.find(({ name }) => name === "bits/dim L_0")!.value);
      // Both are means over 1,920 pixels, of other noise.
      assertClose(Number(step!["loss"]), values.at(-1)!, { rel: 0.03, label: normalizer.how });
    }
    assert(new Set(values.map((value) => value.toFixed(1))).size > 1, values.join());
  });
});
