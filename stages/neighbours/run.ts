import { imageGrid } from "../../formats/image_grid.ts";
import { encodePng } from "../../formats/png.ts";
import { nearestNeighbours, type Neighbours } from "../../metrics/neighbours.ts";
import { quantile } from "../../metrics/spread.ts";
import type { Metric } from "../../schemas/metrics.ts";
import type { RunOf } from "../../contract/stage.ts";
import { failedBy } from "../shared/failed.ts";
import { canBePng, readImages, type StoredImages } from "../../artifacts/images.ts";
import { describeImageSet, writeMetrics } from "../../artifacts/metrics.ts";
import { checkNeighbours } from "./check.ts";
import type { neighboursKind } from "./kind.ts";

/** Samples that are pictured. */
const PICTURED = 16;
/** A sample counts as near to the training set where only this share of the held-out images are nearer. */
const NEAR_SHARE = 0.05;

const run: RunOf<typeof neighboursKind> = async ({ params, inputs, outputs, report }) => {
  const [samples, training] = [await readImages(inputs.samples), await readImages(inputs.training)];
  const heldOut = inputs.heldOut === undefined ? undefined : await readImages(inputs.heldOut);
  const sets = { samples: samples.info, training: training.info, heldOut: heldOut?.info };
  const [problem] = checkNeighbours(params, sets);
  if (problem !== undefined) return failedBy(problem);

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
  if (canBePng(channels)) {
    await outputs.metrics.write("neighbours.png", picture(samples, training, { found, nearest: params.nearest }));
  }
  return undefined;
};

export default run;

/** Of each query to its nearest, sorted. */
function rootMeanSquares({ squares }: Neighbours, { k, dimension }: { k: number; dimension: number }): Float64Array {
  return squares.filter((_, i) => i % k === 0).map((square) => Math.sqrt(square / dimension)).sort();
}

/** A row for each sample: the sample, then the training images by distance. */
function picture(
  samples: StoredImages,
  training: StoredImages,
  { found, nearest }: { readonly found: Neighbours; readonly nearest: number },
): Uint8Array {
  const { height, width, channels } = training.info;
  const size = height * width * channels;
  const rows = Math.min(PICTURED, found.indices.length / nearest);
  const columns = nearest + 1;
  const pixels = new Uint8Array(rows * columns * size);
  for (let row = 0; row < rows; row++) {
    pixels.set(samples.pixels.subarray(row * size, (row + 1) * size), row * columns * size);
    for (let rank = 0; rank < nearest; rank++) {
      const index = found.indices[row * nearest + rank]!;
      pixels.set(training.pixels.subarray(index * size, (index + 1) * size), (row * columns + rank + 1) * size);
    }
  }
  // Two samples to a line.
  const lines = imageGrid(pixels, [rows * columns, height, width, channels], { columns: 2 * columns });
  return encodePng(lines);
}
