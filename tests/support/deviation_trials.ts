import { meanAndDeviation, subsampledDeviation } from "../../science/metrics/spread.ts";
import { vectorsOf } from "../../science/metrics/vectors.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import { frechetDistance, statisticsOf } from "./plain_metrics.ts";

/** Two sets of `count` vectors N(0, I); the second is shifted by `shift` in each dimension. */
export interface GaussianSets {
  readonly count: number;
  readonly dimension: number;
  readonly shift: number;
}

export interface Trials {
  /** Pairs of sets whose distances give the true deviation. */
  readonly drawn: number;
  /** The number of these pairs whose divisions or resamples are used to estimate the deviation. */
  readonly judged: number;
  /** Divisions or resamples of each pair. */
  readonly times: number;
  /** True for resamples with replacement instead of divisions, as in `score` up to its version 6. */
  readonly withReplacement?: boolean;
}

/**
 * Returns the mean of the deviations that pairs of sets estimate for themselves, divided by the deviation of the
 * distance over newly sampled sets.
 */
export async function deviationRatio({ count, dimension, shift }: GaussianSets, trials: Trials): Promise<number> {
  const { drawn, judged, times, withReplacement = false } = trials;
  const stream = (name: string) => randomStream({ seed: 1_000_000 * dimension + 10 * count, stream: `test/${name}` });
  const [draws, picks] = [stream("sets"), stream("picks")];
  const all = Int32Array.from({ length: count }, (_, i) => i);
  const distances: number[] = [];
  const given: number[] = [];
  for (let trial = 0; trial < drawn; trial++) {
    const moved = draws.normal(2 * trial + 1, count * dimension).map((value) => value + shift);
    const real = vectorsOf(draws.normal(2 * trial, count * dimension), dimension);
    const fake = vectorsOf(moved, dimension);
    const distance = async (some: Int32Array, others: Int32Array) => {
      const moments = await statisticsOf(dimension, [await real.rows(some)]);
      return await frechetDistance(moments, await statisticsOf(dimension, [await fake.rows(others)]));
    };
    distances.push(await distance(all, all));
    if (trial >= judged) continue;
    const step = (time: number, side: number) => 2 * (trial * times + time) + side;
    if (withReplacement) {
      const resample = (time: number, side: number) => picks.integers(step(time, side), count, count);
      const replicates: number[] = [];
      for (let time = 0; time < times; time++) replicates.push(await distance(resample(time, 0), resample(time, 1)));
      given.push(meanAndDeviation(replicates).deviation);
    } else {
      const shuffle = (time: number) => [0, 1].map((side) => picks.permutation(step(time, side), count));
      given.push(await subsampledDeviation(shuffle, distance, { times, onTime: () => {} }));
    }
  }
  return meanAndDeviation(given).mean / meanAndDeviation(distances).deviation;
}
