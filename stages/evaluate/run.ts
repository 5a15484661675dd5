import { describeModel, readCheckpoint } from "../../artifacts/checkpoint.ts";
import { openImages } from "../../artifacts/image_files.ts";
import { BEFORE_ERROR } from "../../artifacts/metric_table.ts";
import { describeImageSet, type Metric, writeMetrics } from "../../artifacts/metrics.ts";
import { jsonText } from "../../artifacts/record.ts";
import type { ContextOf, StageEnd } from "../../engine/contract/stage.ts";
import { learnsVariance } from "../../science/diffusion/network.ts";
import { LARGEST } from "../../science/diffusion/normalizer.ts";
import { decodeVectors, encodeVectors } from "../../science/formats/vectors.ts";
import type { Device } from "../../science/tensor/mod.ts";
import { withDevice } from "../shared/device.ts";
import { yieldToMessages } from "../shared/macrotask.ts";
import { runOf } from "../shared/run_of.ts";
import { makeBuckets } from "../shared/timestep_buckets.ts";
import { boundTerms, imagePriors, plotRateDistortion, rateDistortion, sumBound } from "./bound.ts";
import { averageLosses, drawTimesteps, makeEvaluator, noiseErrors, type Work } from "./evaluator.ts";
import { bitsOf, evaluateKind } from "./kind.ts";

type Context = ContextOf<typeof evaluateKind>;

/** Maximum number of points of the curve; more would not improve it. */
const MOST_RATE_POINTS = 50;
const SCORES_FILE = "losses.safetensors";

export default runOf(evaluateKind, async (context) => {
  const { params, seed, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights, context.definitions);
  using images = await openImages(inputs.images);
  const { path, objective, network } = checkpoint;
  const { timesteps } = path;
  const count = Math.min(images.info.count, params.limit ?? images.info.count);
  const buckets = makeBuckets(timesteps, params.buckets);
  const common = { path, objective, seed };
  const losses = noiseErrors(common, drawTimesteps(count, { buckets, seed }));
  const variance = params.bound?.variance ?? (learnsVariance(network.sizes) ? "learned" : "fixedlarge");
  const bound = params.bound === undefined ? undefined : boundTerms(count, {
    form: checkpoint.form,
    ...common,
    variance,
    perImage: params.bound.timesteps,
    logVarianceClip: params.bound.logVarianceClip,
  });

  const batchSize = Math.min(params.batchSize, count);
  const makeScorer = (device: Device) => makeEvaluator(checkpoint, images, { device, batchSize });
  const scores = await scoreAll(context, [losses, bound ?? []].flat(), makeScorer);
  if (!(scores instanceof Float64Array)) return scores;
  const { overall, perBucket } = averageLosses(scores.subarray(0, count), buckets);
  const metrics: Metric[] = [
    { name: "L_simple", value: overall, count },
    ...perBucket.map(({ from, to, mean, count }) => {
      return { name: "L_simple", value: mean, count, timesteps: { from, to } };
    }),
  ];
  if (bound !== undefined) {
    const { dtype } = checkpoint.form;
    const [most, bits] = [LARGEST[dtype]!, bitsOf(dtype)];
    const priors = imagePriors(images, { form: checkpoint.form, tables: path.tables! }, count);
    const perImage = params.bound!.timesteps;
    const boundScores = scores.subarray(count);
    const terms = boundScores.filter((_, i) => i % bound.scoresPerItem === 0);
    const figures = sumBound(bound, { terms, priors, buckets });
    const shares = makeBuckets(timesteps, Math.min(perImage, MOST_RATE_POINTS));
    const points = rateDistortion(bound, { scores: boundScores, images: count, buckets: shares });
    const note = `upper bound; variance ${variance}; ${perImage} of ${timesteps} timesteps per image` +
      `${BEFORE_ERROR}${figures.standardError.toPrecision(2)}`;
    // The parts add up to the whole.
    metrics.push(
      { name: bits, value: figures.total, count, note },
      { name: `${bits} L_T`, value: figures.prior, count },
      { name: `${bits} L_0`, value: figures.decoder, count, timesteps: { from: 0, to: 1 } },
      ...figures.perBucket.map(({ from, to, sum }) => {
        return { name: `${bits} L_t, sum`, value: sum, count, timesteps: { from, to } };
      }),
      // The points half of the reverse steps on, and at the end of progressive decoding; the whole curve is in a file
      // beside them.
      ...[points[Math.floor((points.length - 1) / 2)]!, points.at(-1)!].flatMap(({ from, to, rate, rmse }) => [
        { name: `progressive rate, ${bits}`, value: rate, count, timesteps: { from, to } },
        {
          name: `progressive RMSE, 0 to ${most}`,
          value: rmse,
          count,
          timesteps: { from, to },
        },
      ]),
    );
    await outputs.metrics.write("rate-distortion.json", jsonText(points));
    await outputs.metrics.write(
      "rate-distortion.svg",
      plotRateDistortion(points, `${count} images, ${variance}`, most),
    );
  }
  await writeMetrics(outputs.metrics, {
    seed,
    model: describeModel(inputs.checkpoint, checkpoint, params.weights),
    images: { images: describeImageSet(inputs.images, images, count) },
    metrics,
  });
  return undefined;
});

/** Scores all works, one after the other, continuing from the scores that an earlier run saved. */
async function scoreAll(
  context: Context,
  works: readonly Work[],
  makeScorer: (device: Device) => ReturnType<typeof makeEvaluator>,
): Promise<Float64Array | StageEnd> {
  const { params, progress, stop } = context;
  const total = works.reduce((sum, { count }) => sum + count, 0);
  const unit = works.length > 1 ? "evaluation" : "image";
  const saved = await progress.latest();
  const scores = new Float64Array(works.reduce((sum, { count, scoresPerItem }) => sum + count * scoresPerItem, 0));
  let done = saved?.step ?? 0;
  /** Number of scores of the evaluations that are done. */
  let length = 0;
  if (saved !== undefined) {
    const losses = decodeVectors(await saved.read(SCORES_FILE)).vectors["losses"] as Float64Array;
    scores.set(losses);
    length = losses.length;
  }

  return await withDevice(context, async (device) => {
    const evaluate = await makeScorer(device);
    let start = 0;
    for (const work of works) {
      while (done < start + work.count) {
        if (stop.aborted || progress.isDue(params.saveEverySeconds)) {
          await progress.save(done, { [SCORES_FILE]: encodeVectors({ losses: scores.slice(0, length) }) });
        }
        if (stop.aborted) return { status: "interrupted", step: done } as const;
        const first = done - start;
        const batch = await evaluate(work, first);
        const bad = batch.findIndex((score) => !Number.isFinite(score));
        if (bad >= 0) {
          const { image } = work.item(first + Math.floor(bad / work.scoresPerItem));
          const message = `the loss of image ${image} is ${batch[bad]}: the weights are broken`;
          return { status: "failed", message, notFinite: message } as const;
        }
        scores.set(batch, length);
        length += batch.length;
        done += batch.length / work.scoresPerItem;
        context.report({ done, total, unit });
        await yieldToMessages();
      }
      start += work.count;
    }
    return scores;
  });
}
