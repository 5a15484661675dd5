import { decodeSafetensors, encodeSafetensors } from "../../formats/safetensors.ts";
import type { RunOf, SavedState, StageEnd } from "../contract.ts";
import { describeModel, readCheckpoint } from "../shared/checkpoint.ts";
import { failedBy } from "../shared/failed.ts";
import { readImages } from "../shared/images.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { describeImageSet, writeMetrics } from "../shared/metrics.ts";
import { withDevice } from "../shared/stage_device.ts";
import { averageLosses, drawTimesteps, makeBuckets } from "./buckets.ts";
import { checkEvaluation } from "./check.ts";
import type { evaluateKind } from "./kind.ts";
import { makeLosses } from "./losses.ts";

const LOSSES_FILE = "losses.safetensors";

const run: RunOf<typeof evaluateKind> = async (context) => {
  const { params, seed, inputs, outputs, progress, stop } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const images = await readImages(inputs.images);
  const { timesteps, images: trained } = checkpoint.config;
  const { classes: _, ...facts } = images.info;
  const [problem] = checkEvaluation(params, { images: facts, checkpoint: { ...trained, timesteps } });
  if (problem !== undefined) return failedBy(problem);

  const count = Math.min(images.info.count, params.limit ?? images.info.count);
  const buckets = makeBuckets(timesteps, params.buckets);
  const saved = await progress.latest();
  const losses = new Float64Array(count);
  if (saved !== undefined) losses.set(await decodeLosses(saved));

  const end = await withDevice(context, async (device): Promise<StageEnd | undefined> => {
    const lossesFrom = await makeLosses(checkpoint, images, {
      device,
      batchSize: Math.min(params.batchSize, count),
      seed,
      timesteps: drawTimesteps(count, { buckets, seed }),
    });
    for (let done = saved?.step ?? 0; done < count;) {
      if (stop.aborted) {
        await progress.save(done, encodeLosses(losses.subarray(0, done)));
        return { status: "interrupted", step: done };
      }
      const batch = await lossesFrom(done);
      const bad = batch.findIndex((loss) => !Number.isFinite(loss));
      if (bad >= 0) {
        return {
          status: "failed",
          message: `the loss of image ${done + bad} is ${batch[bad]}: the weights are broken`,
        };
      }
      losses.set(batch, done);
      done += batch.length;
      context.report({ done, total: count, unit: "image" });
      await yieldToMessages();
    }
    return undefined;
  });
  if (end !== undefined) return end;

  const { overall, perBucket } = averageLosses(losses, buckets);
  await writeMetrics(outputs.metrics, {
    seed,
    model: describeModel(inputs.checkpoint, checkpoint, params.weights),
    images: { images: describeImageSet(inputs.images, images, count) },
    metrics: [
      { name: "L_simple", value: overall, count },
      ...perBucket.map(({ from, to, mean, count }) => ({
        name: "L_simple",
        value: mean,
        count,
        timesteps: { from, to },
      })),
    ],
  });
  return undefined;
};

export default run;

function encodeLosses(losses: Float64Array): Record<string, Uint8Array> {
  const data = Float64Array.from(losses);
  return { [LOSSES_FILE]: encodeSafetensors({ tensors: { losses: { dtype: "F64", shape: [data.length], data } } }) };
}

async function decodeLosses(saved: SavedState): Promise<Float64Array> {
  const data = decodeSafetensors(await saved.read(LOSSES_FILE)).tensors["losses"]?.data;
  if (!(data instanceof Float64Array) || data.length !== saved.step) {
    throw new Error(`${LOSSES_FILE}: got ${data?.length ?? "none"}, wanted ${saved.step} F64 numbers`);
  }
  return data;
}
