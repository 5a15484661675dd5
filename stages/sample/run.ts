import { learnsVariance } from "../../diffusion/model_output.ts";
import type { RunOf, StageEnd } from "../contract.ts";
import { readCheckpoint, type StoredCheckpoint } from "../shared/checkpoint.ts";
import { failedBy } from "../shared/failed.ts";
import { writeImages } from "../shared/images.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { unitToBytes } from "../shared/pixel_values.ts";
import { withDevice } from "../shared/stage_device.ts";
import { checkSampler } from "./check.ts";
import { makeBatchDrawer } from "./draw_batch.ts";
import type { sampleKind } from "./kind.ts";
import { decodeSavedImages, encodeSavedImages, isDueForSaving } from "./saved_images.ts";

type Run = RunOf<typeof sampleKind>;
type Context = Parameters<Run>[0];

const run: Run = async (context) => {
  const { params, seed, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const { images, timesteps, step, parameters, schedule } = checkpoint.config;
  const chain = { timesteps, learnedVariance: learnsVariance(checkpoint.config.model) };
  const problem = checkSampler(params.sampler, chain).find(({ severity }) => severity === "error");
  if (problem !== undefined) return failedBy(problem);

  const pixels = await drawAll(context, checkpoint);
  if (!(pixels instanceof Uint8Array)) return pixels;
  const { height, width, channels } = images;
  const model = { digest: inputs.checkpoint.digest, weights: params.weights, step, parameters, schedule };
  const { clip, clipQuantile } = params;
  // Absent is clip to [-1, 1]: samples of it must not change by a byte.
  const clipping = clip === "unit" ? {} : { clip, ...(clip === "dynamic" ? { clipQuantile } : {}) };
  await writeImages(outputs.samples, {
    info: {
      count: params.count,
      height,
      width,
      channels,
      classes: null,
      source: { name: "sample", seed, sampler: params.sampler, ...clipping, batchSize: params.batchSize, model },
    },
    pixels,
    picture: "grid.png",
  });
  return undefined;
};

export default run;

/** All images as bytes, [N, H, W, C] row-major; starts with those that an earlier run saved. */
async function drawAll(context: Context, checkpoint: StoredCheckpoint): Promise<Uint8Array<ArrayBuffer> | StageEnd> {
  const { params, seed, progress, stop } = context;
  const { count, batchSize } = params;
  const { height, width, channels } = checkpoint.config.images;
  const pixels = height * width * channels;
  const saved = await progress.latest();
  // The last batch is whole like the others, and what is beyond `count` is dropped: padding of another kind could
  // change how the engine rounds.
  const bytes = new Uint8Array((count + batchSize) * pixels);
  if (saved !== undefined) bytes.set(await decodeSavedImages(saved, pixels));
  let done = saved?.step ?? 0;
  let lastSaved = done;
  const save = async () => {
    if (done === lastSaved) return;
    await progress.save(done, encodeSavedImages(bytes.subarray(0, done * pixels)));
    lastSaved = done;
  };

  return await withDevice(context, async (device) => {
    if (done === count) return bytes.slice(0, count * pixels);
    const drawer = await makeBatchDrawer(checkpoint, { ...params, device, seed });
    while (done < count) {
      const batch = await drawer.draw(done, async (step) => {
        const fraction = step / drawer.steps * Math.min(batchSize, count - done);
        context.report({ done: Math.floor(done + fraction), total: count, unit: "image" });
        await yieldToMessages();
        return !stop.aborted;
      });
      if (batch === undefined) {
        await save();
        return { status: "interrupted", step: done } as const;
      }
      const bad = batch.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) {
        const image = done + Math.floor(bad / pixels);
        return {
          status: "failed",
          message: `image ${image} has a pixel that is ${batch[bad]}: the weights are broken`,
        };
      }
      unitToBytes(batch, bytes.subarray(done * pixels, (done + batchSize) * pixels));
      // A saved state holds whole batches, so that a longer run draws the same batches as one that never stopped.
      if (done + batchSize > count) break;
      done += batchSize;
      if (isDueForSaving(done, lastSaved)) await save();
    }
    await save();
    return bytes.slice(0, count * pixels);
  });
}
