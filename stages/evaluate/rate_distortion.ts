import { lineChartsSvg } from "../../formats/line_charts.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";
import type { BoundWork } from "./bound.ts";

/** What progressive decoding has after the steps down to `from`, with t in [from, to) the last of them. */
export interface RatePoint extends Bucket {
  /** Bits per dimension received by then: the terms of the bound at t >= from. */
  readonly rate: number;
  /** Root mean square error of the predicted x0 at t in [from, to), on the scale 0 to 255. */
  readonly rmse: number;
}

/**
 * The progressive code of Ho et al. 2020, section 4.3: rate and distortion by reverse step, from the largest timestep on.
 *
 * @param scores bits per dimension and mean square error (0 to 255) of each item, [items, 2]
 */
export function rateDistortion(
  work: Pick<BoundWork, "item">,
  { scores, images, buckets }: {
    readonly scores: Float64Array;
    readonly images: number;
    readonly buckets: readonly Bucket[];
  },
): RatePoint[] {
  const sums = buckets.map(() => ({ bits: 0, squares: 0, weight: 0 }));
  for (let index = 0; index < scores.length / 2; index++) {
    const { t, stands } = work.item(index);
    const own = sums[buckets.findIndex(({ from, to }) => t >= from && t < to)]!;
    own.bits += stands * scores[2 * index]! / images;
    own.squares += stands * scores[2 * index + 1]!;
    own.weight += stands;
  }
  let rate = 0;
  const points = buckets.map((bucket, i) => ({ ...bucket, ...sums[i]! })).reverse();
  return points.filter(({ weight }) => weight > 0).map(({ from, to, bits, squares, weight }) => {
    rate += bits;
    return { from, to, rate, rmse: Math.sqrt(squares / weight) };
  });
}

/** Figure 5 of the paper as SVG: distortion and rate over the reverse steps. */
export function plotRateDistortion(points: readonly RatePoint[], label: string): string {
  const column = (key: "rate" | "rmse") => Float64Array.from(points, (point) => point[key]);
  const last = points.at(-1)!;
  const share = `reverse steps, ${points.length} shares of the chain`;
  return lineChartsSvg([
    {
      title: "distortion, RMSE of x0",
      note: `0 to 255; ends at ${last.rmse.toFixed(2)}`,
      xLabel: share,
      values: column("rmse"),
      color: "#0072b2",
      scale: "linear",
    },
    {
      title: "rate, bits/dim",
      note: `received so far; ends at ${last.rate.toFixed(3)}`,
      xLabel: share,
      values: column("rate"),
      color: "#d55e00",
      scale: "linear",
    },
  ], {
    title: `progressive coding: ${label}`,
    description: `Distortion falls to ${last.rmse.toFixed(2)} and the rate rises to ${last.rate.toFixed(3)} bits per ` +
      "dimension over the steps of the reverse process.",
  });
}
