import { imageAt, readImages, type StoredImages, writePicture } from "../../artifacts/images.ts";
import { describeImageSet, type Metric, writeMetrics } from "../../artifacts/metrics.ts";
import { nearestNeighbours, type Neighbours } from "../../metrics/neighbours.ts";
import { quantile } from "../../metrics/spread.ts";
import { runOf } from "../shared/run_of.ts";
import { neighboursKind } from "./kind.ts";

/** Samples that are pictured. */
const PICTURED = 16;
/** A sample counts as near to the training set where only this share of the held-out images are nearer. */
const NEAR_SHARE = 0.05;

export default runOf(neighboursKind, async ({ params, inputs, outputs, report }) => {
  const [samples, training] = [await readImages(inputs.samples), await readImages(inputs.training)];
  const heldOut = inputs.heldOut === undefined ? undefined : await readImages(inputs.heldOut);
  const { height, width, channels, count: total } = training.info;
  const dimension = height * width * channels;
  const find = (images: StoredImages, k: number) => {
    const count = Math.min(params.count, images.info.count);
    return nearestNeighbours(
      { data: images.pixels, count },
      { data: training.pixels, count: total },
      { dimension, k, onQuery: (done) => report({ done, total: count, unit: "image" }) },
    );
  };
  const found = find(samples, params.nearest);
  const distances = rootMeanSquares(found, { k: params.nearest, dimension });
  const metrics: Metric[] = [{
    name: "nearest training image, median RMSE of samples",
    value: quantile(distances, 0.5),
    count: distances.length,
    note: "0 to 255, over pixels; small values are copies",
  }];
  if (heldOut !== undefined) {
    const others = rootMeanSquares(find(heldOut, 1), { k: 1, dimension });
    const near = quantile(others, NEAR_SHARE);
    metrics.push({
      name: "nearest training image, median RMSE of held-out images",
      value: quantile(others, 0.5),
      count: others.length,
    }, {
      name: "share of samples nearer than the nearest 5% of held-out images",
      value: distances.filter((distance) => distance < near).length / distances.length,
      count: distances.length,
      note: "about 0.05 for samples that are as new as held-out images; towards 1 for memorised ones",
    });
  }
  const used = (images: StoredImages) => Math.min(params.count, images.info.count);
  await writeMetrics(outputs.metrics, {
    seed: null,
    images: {
      samples: describeImageSet(inputs.samples, samples, used(samples)),
      training: describeImageSet(inputs.training, training, total),
      ...(heldOut === undefined ? {} : { heldOut: describeImageSet(inputs.heldOut!, heldOut, used(heldOut)) }),
    },
    metrics,
  });
  // A row for each sample: the sample, then the training images by distance. Two samples to a line.
  const rows = Array.from({ length: Math.min(PICTURED, distances.length) }, (_, sample) => [
    imageAt(samples.pixels, sample, samples.info),
    ...Array.from(
      found.indices.subarray(sample * params.nearest, (sample + 1) * params.nearest),
      (index) => imageAt(training.pixels, index, training.info),
    ),
  ]);
  const columns = 2 * (params.nearest + 1);
  await writePicture(outputs.metrics, "neighbours.png", rows.flat(), { ...training.info, columns });
  return undefined;
});

/** Of each query to its nearest, sorted. */
function rootMeanSquares({ squares }: Neighbours, { k, dimension }: { k: number; dimension: number }): Float64Array {
  return squares.filter((_, i) => i % k === 0).map((square) => Math.sqrt(square / dimension)).sort();
}
