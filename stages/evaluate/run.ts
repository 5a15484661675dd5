import { learnsVariance } from "../../diffusion/model_output.ts";
import { decodeSafetensors, encodeSafetensors } from "../../formats/safetensors.ts";
import type { Metric } from "../../schemas/metrics.ts";
import type { RunOf, SavedState, StageEnd } from "../../contract/stage.ts";
import { describeModel, objectiveOf, readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { failedBy } from "../shared/failed.ts";
import { readImages } from "../../artifacts/images.ts";
import { jsonText } from "../../artifacts/json_text.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { describeImageSet, writeMetrics } from "../../artifacts/metrics.ts";
import { withDevice } from "../shared/stage_device.ts";
import { makeBuckets } from "../shared/timestep_buckets.ts";
import { boundTerms, sumBound } from "./bound.ts";
import { boundMetrics, lossMetrics, rateMetrics } from "./figures.ts";
import { plotRateDistortion, rateDistortion } from "./rate_distortion.ts";
import { averageLosses, drawTimesteps } from "./buckets.ts";
import { checkEvaluation } from "./check.ts";
import { makeEvaluator, type Work } from "./evaluator.ts";
import type { evaluateKind } from "./kind.ts";
import { noiseErrors } from "./noise_error.ts";
import { imagePriors } from "./prior.ts";

type Run = RunOf<typeof evaluateKind>;
type Context = Parameters<Run>[0];

/** More points than this are no better curve. */
const MOST_RATE_POINTS = 50;
const SCORES_FILE = "losses.safetensors";

const run: Run = async (context) => {
  const { params, seed, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const images = await readImages(inputs.images);
  const { timesteps, images: trained, model } = checkpoint.config;
  const learnedVariance = learnsVariance(model);
  const [problem] = checkEvaluation(params, {
    images: images.info,
    checkpoint: { ...trained, timesteps, learnedVariance },
  });
  if (problem !== undefined) return failedBy(problem);

  const count = Math.min(images.info.count, params.limit ?? images.info.count);
  const buckets = makeBuckets(timesteps, params.buckets);
  const common = { tables: checkpoint.tables, objective: objectiveOf(checkpoint.config), seed };
  const losses = noiseErrors({ ...common, timesteps: drawTimesteps(count, { buckets, seed }) });
  const variance = params.bound?.variance ?? (learnedVariance ? "learned" : "fixedlarge");
  const bound = params.bound === undefined ? undefined : boundTerms(count, {
    ...common,
    variance,
    perImage: params.bound.timesteps,
    logVarianceClip: params.bound.logVarianceClip,
  });

  const scores = await scoreAll(context, { checkpoint, images, batchSize: Math.min(params.batchSize, count) }, [
    losses,
    ...(bound === undefined ? [] : [bound]),
  ]);
  if (!(scores instanceof Float64Array)) return scores;
  const metrics: Metric[] = lossMetrics(averageLosses(scores.subarray(0, count), buckets), count);
  if (bound !== undefined) {
    const priors = imagePriors(images, checkpoint.tables, count);
    const perImage = params.bound!.timesteps;
    const boundScores = scores.subarray(count);
    const terms = boundScores.filter((_, i) => i % bound.figures === 0);
    const figures = sumBound(bound, { terms, priors, buckets });
    const shares = makeBuckets(timesteps, Math.min(perImage, MOST_RATE_POINTS));
    const points = rateDistortion(bound, { scores: boundScores, images: count, buckets: shares });
    metrics.push(...boundMetrics(figures, { count, variance, perImage, timesteps }), ...rateMetrics(points, count));
    await outputs.metrics.write("rate-distortion.json", jsonText(points));
    await outputs.metrics.write("rate-distortion.svg", plotRateDistortion(points, `${count} images, ${variance}`));
  }
  await writeMetrics(outputs.metrics, {
    seed,
    model: describeModel(inputs.checkpoint, checkpoint, params.weights),
    images: { images: describeImageSet(inputs.images, images, count) },
    metrics,
  });
  return undefined;
};

export default run;

interface Subject {
  readonly checkpoint: StoredCheckpoint;
  readonly images: Parameters<typeof makeEvaluator>[1];
  readonly batchSize: number;
}

/** Scores of all works, one after the other; starts with those that an earlier run saved. */
async function scoreAll(
  context: Context,
  { checkpoint, images, batchSize }: Subject,
  works: readonly Work[],
): Promise<Float64Array | StageEnd> {
  const { params, progress, stop } = context;
  const total = works.reduce((sum, { count }) => sum + count, 0);
  const unit = works.length > 1 ? "evaluation" : "image";
  const saved = await progress.latest();
  const scores = new Float64Array(works.reduce((sum, { count, figures }) => sum + count * figures, 0));
  let done = saved?.step ?? 0;
  /** Scores of the first `items` evaluations of all works. */
  const scoresOf = (items: number) => {
    let [left, length] = [items, 0];
    for (const { count, figures } of works) {
      length += Math.min(left, count) * figures;
      left -= Math.min(left, count);
    }
    return length;
  };
  if (saved !== undefined) scores.set(await decodeScores(saved, scoresOf(done)));

  return await withDevice(context, async (device) => {
    const evaluate = await makeEvaluator(checkpoint, images, { device, batchSize });
    let start = 0;
    for (const work of works) {
      while (done < start + work.count) {
        if (stop.aborted || progress.isDue(params.saveEverySeconds)) {
          await progress.save(done, encodeScores(scores.subarray(0, scoresOf(done))));
        }
        if (stop.aborted) return { status: "interrupted", step: done } as const;
        const first = done - start;
        const batch = await evaluate(work, first);
        const bad = batch.findIndex((score) => !Number.isFinite(score));
        if (bad >= 0) {
          const { image } = work.item(first + Math.floor(bad / work.figures));
          return {
            status: "failed",
            message: `the loss of image ${image} is ${batch[bad]}: the weights are broken`,
          } as const;
        }
        scores.set(batch, scoresOf(done));
        done += batch.length / work.figures;
        context.report({ done, total, unit });
        await yieldToMessages();
      }
      start += work.count;
    }
    return scores;
  });
}

function encodeScores(scores: Float64Array): Record<string, Uint8Array> {
  const data = Float64Array.from(scores);
  return { [SCORES_FILE]: encodeSafetensors({ tensors: { losses: { dtype: "F64", shape: [data.length], data } } }) };
}

async function decodeScores(saved: SavedState, wanted: number): Promise<Float64Array> {
  const data = decodeSafetensors(await saved.read(SCORES_FILE)).tensors["losses"]?.data;
  if (!(data instanceof Float64Array) || data.length !== wanted) {
    throw new Error(`${SCORES_FILE}: got ${data?.length ?? "none"}, wanted ${wanted} F64 numbers`);
  }
  return data;
}
