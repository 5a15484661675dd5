import type { Metric } from "../../artifacts/metrics.ts";
import type { BoundFigures, RatePoint } from "./bound.ts";
import type { averageLosses } from "./work.ts";

/** L_simple overall and by bucket, as they are written. */
export function lossMetrics({ overall, perBucket }: ReturnType<typeof averageLosses>, count: number): Metric[] {
  return [
    { name: "L_simple", value: overall, count },
    ...perBucket.map(({ from, to, mean, count }) => {
      return { name: "L_simple", value: mean, count, timesteps: { from, to } };
    }),
  ];
}

interface BoundContext {
  /** Images. */
  readonly count: number;
  readonly variance: string;
  /** Evaluations per image. */
  readonly perImage: number;
  /** T. */
  readonly timesteps: number;
}

/** The bound and its terms, as they are written: the parts add up to the whole. */
export function boundMetrics(
  { total, standardError, prior, decoder, perBucket }: BoundFigures,
  { count, variance, perImage, timesteps }: BoundContext,
): Metric[] {
  const note = `upper bound; variance ${variance}; ${perImage} of ${timesteps} timesteps per image; ` +
    `standard error over images ${standardError.toPrecision(2)}`;
  return [
    { name: "bits/dim", value: total, count, note },
    { name: "bits/dim L_T", value: prior, count },
    { name: "bits/dim L_0", value: decoder, count, timesteps: { from: 0, to: 1 } },
    ...perBucket.map(({ from, to, sum }) => {
      return { name: "bits/dim L_t, sum", value: sum, count, timesteps: { from, to } };
    }),
  ];
}

/** Where progressive decoding ends, and how far half of the reverse steps take it; the whole curve is a file beside. */
export function rateMetrics(points: readonly RatePoint[], count: number): Metric[] {
  return [points[Math.floor((points.length - 1) / 2)]!, points.at(-1)!].flatMap(({ from, to, rate, rmse }) => [
    { name: "progressive rate, bits/dim", value: rate, count, timesteps: { from, to } },
    { name: "progressive RMSE, 0 to 255", value: rmse, count, timesteps: { from, to } },
  ]);
}
