import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { gridPng } from "../../artifacts/pictures.ts";
import { describeImageSet, type Metric, writeMetrics } from "../../artifacts/metrics.ts";
import { addNeighbours, noNeighbours } from "../../science/metrics/neighbours.ts";
import { quantile } from "../../science/metrics/spread.ts";
import { range } from "../../science/metrics/vectors.ts";
import { type Batch, inParts } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { comparing, neighboursKind } from "./kind.ts";

/** Number of samples in the picture. */
const PICTURED = 16;
/**
 * Share of the held-out images that sets the limit: a sample closer to the training set than this share's quantile
 * counts as near.
 */
const NEAR_SHARE = 0.05;

/** Number of queries that a process answers together. */
const BATCH = 16;
/** Number of values of the training set that are in memory at once, about; small sets are there as a whole. */
const CHUNK_VALUES = 16 << 20;

export default runOf(neighboursKind, async (context) => {
  const { params, inputs, outputs, report } = context;
  using samples = await openImages(inputs.samples);
  using training = await openImages(inputs.training);
  using heldOut = inputs.heldOut === undefined ? undefined : await openImages(inputs.heldOut);
  const { size: dimension, info: { count: total } } = training;
  const used = (images: ImageReader | undefined) => Math.min(params.count, images?.info.count ?? 0);
  const [asked, others] = [used(samples), used(heldOut)];
  const k = params.nearest;
  // Held-out images come after the samples. For them only the distance to the nearest image is used.
  const queryOf = (query: number) => query < asked ? samples.rows([query]) : heldOut!.rows([query - asked]);
  const chunk = Math.ceil(CHUNK_VALUES / dimension);
  const compute = ({ first, count, done, total: queries }: Batch) => {
    const all = Array.from({ length: count }, (_, i) => ({
      query: queryOf(first + i),
      found: noNeighbours(first + i < asked ? k : 1),
    }));
    // Every query of the batch sees a part of the training set before the next part is read.
    for (let from = 0; from < total; from += chunk) {
      const among = training.rows(range(from, Math.min(chunk, total - from)));
      for (const { query, found } of all) addNeighbours(found, query, among, from);
    }
    const [indices, squares] = [new Int32Array(count * k), new Float64Array(count * k)];
    all.forEach(({ found }, i) => {
      indices.set(found.indices, i * k);
      squares.set(found.squares, i * k);
    });
    report({ done: done + count, total: queries, unit: "image" });
    return { indices, squares };
  };
  const open = () => {
    const { workGflop = 0 } = comparing([asked, others], training.info);
    context.note(
      `compares ${asked + others} images with ${total} each: up to ${Number(workGflop.toPrecision(3))} GFLOP`,
    );
    return Promise.resolve({ compute });
  };
  return await inParts(context, { count: asked + others, batchSize: BATCH }, open, async (batches) => {
    const indices = new Int32Array((asked + others) * k);
    const squares = new Float64Array((asked + others) * k);
    for await (const { first, rows } of batches) {
      indices.set(rows.indices, first * k);
      squares.set(rows.squares, first * k);
    }
    const distances = rootMeanSquares(squares.subarray(0, asked * k), { k, dimension });
    const metrics: Metric[] = [{
      name: "nearest training image, median RMSE of samples",
      value: quantile(distances, 0.5),
      count: distances.length,
      note: `${
        samples.dtype === "uint8" ? "0 to 255" : "in the images' own units"
      }, over pixels; small values are copies`,
    }];
    if (heldOut !== undefined) {
      const unseen = rootMeanSquares(squares.subarray(asked * k), { k, dimension });
      const near = quantile(unseen, NEAR_SHARE);
      metrics.push({
        name: "nearest training image, median RMSE of held-out images",
        value: quantile(unseen, 0.5),
        count: unseen.length,
      }, {
        name: "share of samples nearer than the nearest 5% of held-out images",
        value: distances.filter((distance) => distance < near).length / distances.length,
        count: distances.length,
        note: "about 0.05 for samples that are as new as held-out images; towards 1 for memorised ones",
      });
    }
    await writeMetrics(outputs.metrics, {
      seed: null,
      images: {
        samples: describeImageSet(inputs.samples, samples, asked),
        training: describeImageSet(inputs.training, training, total),
        ...(heldOut === undefined ? {} : { heldOut: describeImageSet(inputs.heldOut!, heldOut, others) }),
      },
      metrics,
    });
    // A row for each sample: the sample, then the training images by distance. Two samples to a line.
    const rows = Array.from({ length: Math.min(PICTURED, asked) }, (_, sample) => [
      samples.rows([sample]),
      ...Array.from(indices.subarray(sample * k, (sample + 1) * k), (index) => training.rows([index])),
    ]);
    const picture = gridPng(rows.flat(), { ...training.info, columns: 2 * (k + 1) }, training);
    await outputs.metrics.write("neighbours.png", picture);
  });
});

/** Returns the root mean square difference of each query from its nearest image, sorted. */
function rootMeanSquares(squares: Float64Array, { k, dimension }: { k: number; dimension: number }): Float64Array {
  return squares.filter((_, i) => i % k === 0).map((square) => Math.sqrt(square / dimension)).sort();
}
