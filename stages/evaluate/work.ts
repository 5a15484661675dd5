import { epsRecovery, type Objective } from "../../diffusion/objective.ts";
import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";
import { randomStream } from "../../tensor/mod.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";
import type { Work } from "./evaluator.ts";

interface NoiseErrorOptions {
  readonly tables: DiffusionTables;
  readonly objective: Objective;
  /** Of each image. */
  readonly timesteps: Int32Array;
  readonly seed: number;
}

/**
 * L_simple of each image (Ho et al. 2020, eq. 14) at its own timestep and noise, functions of its index: the mean over
 * pixels of the squared error of the noise. The prediction gives the noise back whatever the objective, so that networks
 * of different objectives compare.
 */
export function noiseErrors({ tables, objective, timesteps, seed }: NoiseErrorOptions): Work {
  const normals = randomStream({ seed, stream: "evaluate/noise" });
  return {
    count: timesteps.length,
    figures: 1,
    item: (image) => ({ image, t: timesteps[image]!, fillNoise: (out) => normals.normal(image, out) }),
    score({ t, noise, xt, prediction }) {
      const recovery = epsRecovery(objective, { tables, t });
      let sum = 0;
      for (let k = 0; k < noise.length; k++) {
        sum += (noise[k]! - (recovery.xt * xt[k]! + recovery.output * prediction[k]!)) ** 2;
      }
      return [sum / noise.length];
    },
  };
}

/** The bucket of an image: they take turns, so that each gets its share of any number of images. */
function bucketOf(image: number, buckets: readonly Bucket[]): number {
  return image % buckets.length;
}

/** One timestep per image, uniform in the image's bucket: a pure function of seed and image. int32 [count] */
export function drawTimesteps(count: number, { buckets, seed }: { buckets: readonly Bucket[]; seed: number }) {
  const uniforms = randomStream({ seed, stream: "evaluate/timestep" }).uniform(0, count);
  return Int32Array.from(uniforms, (u, image) => {
    const { from, to } = buckets[bucketOf(image, buckets)]!;
    return from + Math.floor(u * (to - from));
  });
}

interface BucketLoss extends Bucket {
  readonly count: number;
  readonly mean: number;
}

/**
 * Mean loss per bucket, and overall as if t were uniform on all timesteps: each bucket weighs as much as it is wide,
 * not as many images as it happened to get.
 *
 * @param losses per image, at least one per bucket
 */
export function averageLosses(losses: Float64Array, buckets: readonly Bucket[]) {
  const sums = buckets.map(() => 0);
  const counts = buckets.map(() => 0);
  losses.forEach((loss, image) => {
    sums[bucketOf(image, buckets)]! += loss;
    counts[bucketOf(image, buckets)]!++;
  });
  const perBucket = buckets.map((bucket, i): BucketLoss => {
    return { ...bucket, count: counts[i]!, mean: sums[i]! / counts[i]! };
  });
  const timesteps = buckets.at(-1)!.to;
  const overall = perBucket.reduce((sum, { from, to, mean }) => sum + mean * (to - from) / timesteps, 0);
  return { overall, perBucket };
}
