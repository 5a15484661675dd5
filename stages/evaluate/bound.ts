import type { ImageReader } from "../../artifacts/image_files.ts";
import { BYTES, isBounded, type ValueForm } from "../../science/diffusion/normalizer.ts";
import { binsOf, boundTermFloat64 } from "../../science/diffusion/likelihood_float64.ts";
import { timePoint } from "../../science/diffusion/path.ts";
import { type DiffusionTables, priorKlBitsPerDim } from "../../science/diffusion/schedule/tables.ts";
import { lineChartsSvg } from "../../science/pictures/line_charts.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";
import type { Work, WorkItem, WorkOptions } from "./evaluator.ts";

interface BoundOptions extends WorkOptions {
  /** The form of the images, which has integers. Default: bytes. */
  readonly form?: ValueForm;
  readonly variance: "fixedsmall" | "fixedlarge" | "learned";
  /** Replaces the log of the posterior variance at t = 0, where the variance is 0. Default `second`. */
  readonly logVarianceClip?: "second" | "floor" | undefined;
  /** Evaluations per image, in [2, T], or 1 if T is 1. */
  readonly perImage: number;
}

/** hojonathanho/diffusion, `diffusion_utils.py`: log(max(variance, 1e-20)). */
const VARIANCE_FLOOR = 1e-20;

/**
 * Evaluations of the terms of the bound, in bits per dimension, and of the mean square error of x0, in the units of the
 * images: 0 to 255 for bytes.
 */
interface BoundWork extends Work {
  /** Also returns `termCount`, the number of terms that the item stands for. */
  item(index: number): WorkItem & { readonly termCount: number };
}

/**
 * Returns the evaluations of the bound: for each image t = 0, and one t from each of `perImage - 1` equal ranges of [1,
 * T), which stands for its range. With `perImage` = T these are all t once, as in hojonathanho/diffusion; with
 * fewer, the sum differs but has the same mean. Timesteps and noise are functions of seed, image and timestep. The
 * predicted x0 is clipped to [-1, 1], as in hojonathanho/diffusion, if the images have a declared range.
 */
export function boundTerms(images: number, options: BoundOptions): BoundWork {
  const { path, form = BYTES, objective, variance: kind, perImage, seed, logVarianceClip = "second" } = options;
  // The bound is defined on a chain, and the check of the kind requires one.
  const tables = path.tables!;
  const { timesteps } = tables;
  const bins = binsOf(form)!;
  const { normalizer: { scale } } = form;
  const bounded = isBounded(form.normalizer);
  const draws = randomStream({ seed, stream: "evaluate/bound-timestep" });
  const normals = randomStream({ seed, stream: "evaluate/bound-noise" });
  const edge = (range: number) => 1 + Math.floor(range * (timesteps - 1) / (perImage - 1));
  const small = tables.posteriorLogVarianceClipped.slice();
  if (logVarianceClip === "floor") small[0] = Math.log(VARIANCE_FLOOR);
  const fixed = kind === "fixedsmall" ? small : tables.fixedLargeLogVariance;
  return {
    count: images * perImage,
    scoresPerItem: 2,
    item(index) {
      const [image, k] = [Math.floor(index / perImage), index % perImage];
      const [from, to] = k === 0 ? [0, 1] : [edge(k - 1), edge(k)];
      const t = from + Math.floor(draws.uniform(image, 1, { offset: k })[0]! * (to - from));
      return { image, t, termCount: to - from, fillNoise: (out) => normals.normal(image * timesteps + t, out) };
    },
    score({ t, x0, xt, prediction, variance }) {
      const at = { tables, t };
      const recovery = objective.recover!(timePoint(path, t)).x0;
      const [min, max] = [small[t]!, Math.log(tables.betas[t]!)];
      let [nats, squares] = [0, 0];
      for (let k = 0; k < x0.length; k++) {
        const recovered = recovery.xt * xt[k]! + recovery.output * prediction[k]!;
        const predictedX0 = bounded ? Math.max(-1, Math.min(1, recovered)) : recovered;
        squares += (scale[k % scale.length]! * (predictedX0 - x0[k]!)) ** 2;
        const fraction = kind === "learned" ? (variance![k]! + 1) / 2 : 0;
        nats += boundTermFloat64(
          {
            x0: x0[k]!,
            xt: xt[k]!,
            predictedX0,
            logVariance: kind === "learned" ? fraction * max + (1 - fraction) * min : fixed[t]!,
          },
          at,
          bins[k % bins.length],
        );
      }
      return [nats / x0.length / Math.LN2, squares / x0.length];
    },
  };
}

/**
 * Sums the terms to the bound and its parts, in bits per dimension.
 *
 * @param terms the term of each item
 * @param priors L_T of each image
 */
export function sumBound(
  work: Pick<BoundWork, "item">,
  { terms, priors, buckets }: {
    readonly terms: Float64Array;
    readonly priors: Float64Array;
    readonly buckets: readonly Bucket[];
  },
) {
  const count = priors.length;
  const totals = priors.slice();
  const byTimestep = new Float64Array(buckets.at(-1)!.to);
  terms.forEach((term, index) => {
    const { image, t, termCount } = work.item(index);
    totals[image]! += termCount * term;
    byTimestep[t]! += termCount * term / count;
  });
  const sum = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
  const total = sum(totals) / count;
  const squares = totals.reduce((sum, value) => sum + (value - total) ** 2, 0);
  return {
    total,
    /** Standard error of the total over images; 0 for a single image. */
    standardError: count > 1 ? Math.sqrt(squares / (count - 1) / count) : 0,
    /** L_T, L_0 and the sums of L_t over the timesteps of each bucket without t = 0. */
    prior: sum(priors) / count,
    decoder: byTimestep[0]!,
    perBucket: buckets.map(({ from, to }) => ({ from: Math.max(from, 1), to }))
      .filter(({ from, to }) => from < to)
      .map(({ from, to }) => ({ from, to, sum: sum(byTimestep.subarray(from, to)) })),
  };
}

/** Computes L_T of each of the first `count` images, in bits per dimension: float64 [count]. */
export function imagePriors(
  images: ImageReader,
  { form, tables }: { readonly form: ValueForm; readonly tables: DiffusionTables },
  count: number,
): Float64Array {
  const { size } = images;
  const x0 = new Float32Array(size);
  return Float64Array.from({ length: count }, (_, image) => {
    images.read([image], x0, form);
    return priorKlBitsPerDim(tables, x0.reduce((sum, value) => sum + value ** 2, 0) / size);
  });
}

/**
 * Computes rate and distortion of the progressive code of Ho et al. 2020, section 4.3, by reverse step, from the
 * largest timestep on.
 *
 * @param scores bits per dimension and mean square error of each item, [items, 2]
 * @returns the state of decoding after the steps down to `from`, with t in [from, to) the last of them: `rate`, the
 * bits per dimension received by then, which are the terms of the bound at t >= from; `rmse` of the predicted x0 there,
 * in the units of the images
 */
export function rateDistortion(
  work: Pick<BoundWork, "item">,
  { scores, images, buckets }: {
    readonly scores: Float64Array;
    readonly images: number;
    readonly buckets: readonly Bucket[];
  },
) {
  const sums = buckets.map(() => ({ bits: 0, squares: 0, weight: 0 }));
  for (let index = 0; index < scores.length / 2; index++) {
    const { t, termCount } = work.item(index);
    const own = sums[buckets.findIndex(({ from, to }) => t >= from && t < to)]!;
    own.bits += termCount * scores[2 * index]! / images;
    own.squares += termCount * scores[2 * index + 1]!;
    own.weight += termCount;
  }
  let rate = 0;
  const points = buckets.map((bucket, i) => ({ ...bucket, ...sums[i]! })).reverse();
  return points.filter(({ weight }) => weight > 0).map(({ from, to, bits, squares, weight }) => {
    rate += bits;
    return { from, to, rate, rmse: Math.sqrt(squares / weight) };
  });
}

/**
 * Plots figure 5 of the paper as SVG: distortion and rate over the reverse steps.
 * @param most the largest value that an image can have
 */
export function plotRateDistortion(points: ReturnType<typeof rateDistortion>, label: string, most = 255): string {
  const xLabel = `reverse steps, ${points.length} shares of the chain`;
  const chart = (key: "rate" | "rmse", title: string, note: string, color: string) => {
    const values = Float64Array.from(points, (point) => point[key]);
    return { title, note, xLabel, values, color, scale: "linear" } as const;
  };
  const [rmse, rate] = [points.at(-1)!.rmse.toFixed(2), points.at(-1)!.rate.toFixed(3)];
  return lineChartsSvg([
    chart("rmse", "distortion, RMSE of x0", `0 to ${most}; ends at ${rmse}`, "#0072b2"),
    chart("rate", "rate, bits/dim", `received so far; ends at ${rate}`, "#d55e00"),
  ], {
    title: `progressive coding: ${label}`,
    description: `Distortion falls to ${rmse} and the rate rises to ${rate} bits per dimension over the steps of the ` +
      "reverse process.",
  });
}
