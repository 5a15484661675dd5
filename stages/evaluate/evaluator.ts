import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageReader } from "../../artifacts/image_files.ts";
import { mix } from "../../science/diffusion/samplers/mix.ts";
import type { Objective } from "../../science/diffusion/objective.ts";
import type { Path } from "../../science/diffusion/define.ts";
import { timePoint } from "../../science/diffusion/path.ts";
import { type Device, randomStream } from "../../science/tensor/mod.ts";
import { bindNetwork, encodeLabels, splitOutput } from "../shared/feeds.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";

/** One evaluation of the network: an image, noised to a timestep. */
export interface WorkItem {
  /** Index of the image. */
  readonly image: number;
  readonly t: number;
  /** Fills an array with the noise, N(0, I): a function of the item alone. */
  readonly fillNoise: (out: Float32Array<ArrayBuffer>) => void;
}

/** Options of all evaluations. */
export interface WorkOptions {
  readonly path: Path;
  /** An objective that says how to compute x_0. */
  readonly objective: Objective;
  readonly seed: number;
}

/** A set of evaluations, and the function that scores each with one number or several. */
export interface Work {
  readonly count: number;
  /** Number of scores of one evaluation. */
  readonly scoresPerItem: number;
  /** @param index in [0, count) */
  item(index: number): WorkItem;
  score(evaluation: Evaluation): readonly number[];
}

/** The results of one evaluation: [H, W, C] each, row-major, valid only during the call that gets them. */
interface Evaluation {
  readonly t: number;
  readonly x0: Float32Array;
  readonly noise: Float32Array;
  readonly xt: Float32Array;
  /** The network's prediction of the checkpoint's objective. */
  readonly prediction: Float32Array;
  /** The network's output for the variance, if it learned one. */
  readonly variance: Float32Array | undefined;
}

/**
 * Makes a function that evaluates a network on the items of some work, a batch at a time. Items do not affect each
 * other, so the batch size changes nothing but the rounding of the network; scores are computed in float64.
 *
 * @returns scores [items, scoresPerItem] of a batch that starts at the given item, with fewer items at the end
 */
export async function makeEvaluator(
  checkpoint: StoredCheckpoint,
  images: ImageReader,
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
) {
  const { path, form, network: { sizes } } = checkpoint;
  const ask = await bindNetwork(checkpoint, { device, batchSize });
  const { size: pixels } = images;
  const all = () => new Float32Array(batchSize * pixels);
  // In the last batch, places without an item keep their previous contents.
  const [x0, noise, x] = [all(), all(), all()];
  const t = new Array<number>(batchSize).fill(0);

  return async (work: Work, first: number): Promise<Float64Array> => {
    const count = Math.min(batchSize, work.count - first);
    const items = Array.from({ length: count }, (_, i) => work.item(first + i));
    const own = (all: Float32Array<ArrayBuffer>, i: number) => all.subarray(i * pixels, (i + 1) * pixels);
    images.read(items.map(({ image }) => image), x0.subarray(0, count * pixels), form);
    items.forEach((item, i) => {
      item.fillNoise(own(noise, i));
      t[i] = item.t;
      own(x, i).set(mix([path.signal(item.t), own(x0, i)], [path.noise(item.t), own(noise, i)]));
    });
    // For images without labels, the network gets no label.
    const labels = Array.from({ length: batchSize }, (_, i) => images.labels?.[items[i]?.image ?? -1]);
    const { prediction, variance } = splitOutput(await ask(x, t, encodeLabels(sizes, labels)), sizes);
    return Float64Array.from(items.flatMap(({ t }, i) => {
      const evaluation = { t, x0: own(x0, i), noise: own(noise, i), xt: own(x, i), prediction: own(prediction, i) };
      return work.score({ ...evaluation, variance: variance && own(variance, i) });
    }));
  };
}

/**
 * Scores L_simple of each image (Ho et al. 2020, eq. 14) at its own timestep and noise, which are functions of its
 * index: the mean over pixels of the squared error of the noise. The noise is computed from the prediction under any
 * objective, so that networks of different objectives compare.
 */
export function noiseErrors(
  { path, objective, seed }: WorkOptions,
  timesteps: Int32Array,
): Work {
  const normals = randomStream({ seed, stream: "evaluate/noise" });
  return {
    count: timesteps.length,
    scoresPerItem: 1,
    item: (image) => ({ image, t: timesteps[image]!, fillNoise: (out) => normals.normal(image, out) }),
    score({ t, noise, xt, prediction }) {
      const recovery = objective.recover!(timePoint(path, t)).eps;
      let sum = 0;
      for (let k = 0; k < noise.length; k++) {
        sum += (noise[k]! - (recovery.xt * xt[k]! + recovery.output * prediction[k]!)) ** 2;
      }
      return [sum / noise.length];
    },
  };
}

/**
 * Returns the bucket of an image. Images are assigned to buckets in turn, so that each gets its share of any number of
 * images.
 */
function bucketOf(image: number, buckets: readonly Bucket[]): number {
  return image % buckets.length;
}

/** Samples one timestep per image, uniform in the image's bucket: a pure function of seed and image. int32 [count] */
export function drawTimesteps(count: number, { buckets, seed }: { buckets: readonly Bucket[]; seed: number }) {
  const uniforms = randomStream({ seed, stream: "evaluate/timestep" }).uniform(0, count);
  return Int32Array.from(uniforms, (u, image) => {
    const { from, to } = buckets[bucketOf(image, buckets)]!;
    return from + Math.floor(u * (to - from));
  });
}

/**
 * Computes the mean loss per bucket, and overall as if t were uniform on all timesteps: each bucket is weighted by its
 * width, not by its number of images.
 *
 * @param losses per image, at least one per bucket
 */
export function averageLosses(losses: Float64Array, buckets: readonly Bucket[]) {
  const perBucket = buckets.map((bucket, i) => {
    const own = losses.filter((_, image) => bucketOf(image, buckets) === i);
    return { ...bucket, count: own.length, mean: own.reduce((sum, loss) => sum + loss, 0) / own.length };
  });
  const timesteps = buckets.at(-1)!.to;
  const overall = perBucket.reduce((sum, { from, to, mean }) => sum + mean * (to - from) / timesteps, 0);
  return { overall, perBucket };
}
