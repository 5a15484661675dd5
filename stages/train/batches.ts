import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";
import type { HostTensors } from "../../tensor/mod.ts";
import { randomStream } from "../../tensor/mod.ts";
import type { StoredImages } from "../shared/images.ts";
import { bytesToUnit } from "../shared/pixel_values.ts";
import { mirror } from "./mirror.ts";

export interface BatchOptions {
  readonly tables: DiffusionTables;
  readonly batchSize: number;
  readonly seed: number;
  /** Probability of dropout; above 0 the feeds have a `dropoutKey`. Default 0. */
  readonly dropout?: number;
  /** Mirror each image with probability 1/2. Default false. */
  readonly flip?: boolean;
}

/**
 * What the train step is fed with at each step: images in [-1, 1], timesteps uniform in [0, T), noise N(0, I), the
 * table entries of the timesteps, and with dropout the key of the masks. All of it is a pure function of (seed, step),
 * so a resumed run sees what it would have seen. The arrays are filled anew at each call.
 *
 * Every epoch goes through the images in an order of its own and drops the remainder that fills no batch.
 *
 * @returns feeds of step `step`, counted from 1
 */
export function makeBatches(
  images: StoredImages,
  { tables, batchSize, seed, dropout = 0, flip = false }: BatchOptions,
) {
  const stream = (purpose: string) => randomStream({ seed, stream: `train/${purpose}` });
  const [order, timestep, noise] = [stream("order"), stream("timestep"), stream("noise")];
  const [dropoutKey, flips] = [stream("dropout"), stream("flip")];
  const [count, height, width, channels] = images.shape;
  const pixels = height * width * channels;
  const batchesPerEpoch = Math.floor(count / batchSize);

  const feeds = {
    x0: new Float32Array(batchSize * pixels),
    t: new Int32Array(batchSize),
    noise: new Float32Array(batchSize * pixels),
    sqrtAlphasCumprod: new Float32Array(batchSize),
    sqrtOneMinusAlphasCumprod: new Float32Array(batchSize),
    ...(dropout > 0 ? { dropoutKey: new Int32Array(2) } : {}),
  };
  const flipped = new Int32Array(batchSize);
  let epoch = -1;
  let indices = new Int32Array();

  return (step: number): HostTensors => {
    const wanted = Math.floor((step - 1) / batchesPerEpoch);
    if (wanted !== epoch) {
      epoch = wanted;
      indices = order.permutation(epoch, count);
    }
    const start = ((step - 1) % batchesPerEpoch) * batchSize;
    timestep.integers(step, feeds.t, tables.timesteps);
    noise.normal(step, feeds.noise);
    if (feeds.dropoutKey !== undefined) dropoutKey.integers(step, feeds.dropoutKey, 2 ** 31);
    if (flip) flips.integers(step, flipped, 2);
    for (let i = 0; i < batchSize; i++) {
      const source = indices[start + i]! * pixels;
      const x0 = feeds.x0.subarray(i * pixels, (i + 1) * pixels);
      bytesToUnit(images.pixels.subarray(source, source + pixels), x0);
      if (flipped[i] === 1) mirror(x0, { width, channels });
      const t = feeds.t[i]!;
      feeds.sqrtAlphasCumprod[i] = tables.sqrtAlphasCumprod[t]!;
      feeds.sqrtOneMinusAlphasCumprod[i] = tables.sqrtOneMinusAlphasCumprod[t]!;
    }
    return feeds;
  };
}
