import { imageAt, readImages, type StoredImages, writePicture } from "../../artifacts/images.ts";
import { describeImageSet, type Metric, writeMetrics } from "../../artifacts/metrics.ts";
import { nearestNeighbours } from "../../metrics/neighbours.ts";
import { quantile } from "../../metrics/spread.ts";
import { type Batch, inParts } from "../shared/parts.ts";
import { runOf } from "../shared/run_of.ts";
import { neighboursKind } from "./kind.ts";

/** Number of samples in the picture. */
const PICTURED = 16;
/**
 * Share of the held-out images that sets the limit: a sample closer to the training set than this share's quantile
 * counts as near.
 */
const NEAR_SHARE = 0.05;

/** Number of queries that a process answers together. */
const BATCH = 16;

export default runOf(neighboursKind, async (context) => {
  const { params, inputs, outputs, report } = context;
  const [samples, training] = [await readImages(inputs.samples), await readImages(inputs.training)];
  const heldOut = inputs.heldOut === undefined ? undefined : await readImages(inputs.heldOut);
  const { height, width, channels, count: total } = training.info;
  const dimension = height * width * channels;
  const used = (images: StoredImages | undefined) => Math.min(params.count, images?.info.count ?? 0);
  const [asked, others] = [used(samples), used(heldOut)];
  const k = params.nearest;
  // Held-out images come after the samples. For them only the distance to the nearest image is used.
  const find = (query: number) => {
    const [images, at] = query < asked ? [samples, query] : [heldOut!, query - asked];
    return nearestNeighbours(imageAt(images.pixels, at, training.info), training.pixels, query < asked ? k : 1);
  };
  const compute = ({ first, count, done, total }: Batch) => {
    const [indices, squares] = [new Int32Array(count * k), new Float64Array(count * k)];
    for (let i = 0; i < count; i++) {
      const found = find(first + i);
      indices.set(found.indices, i * k);
      squares.set(found.squares, i * k);
      report({ done: done + i + 1, total, unit: "image" });
    }
    return { indices, squares };
  };
  const open = () => Promise.resolve({ compute });
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
      note: "0 to 255, over pixels; small values are copies",
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
      imageAt(samples.pixels, sample, samples.info),
      ...Array.from(
        indices.subarray(sample * k, (sample + 1) * k),
        (index) => imageAt(training.pixels, index, training.info),
      ),
    ]);
    await writePicture(outputs.metrics, "neighbours.png", rows.flat(), { ...training.info, columns: 2 * (k + 1) });
  });
});

/** Returns the root mean square difference of each query from its nearest image, sorted. */
function rootMeanSquares(squares: Float64Array, { k, dimension }: { k: number; dimension: number }): Float64Array {
  return squares.filter((_, i) => i % k === 0).map((square) => Math.sqrt(square / dimension)).sort();
}
