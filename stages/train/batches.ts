import type { DiffusionTables } from "../../diffusion/schedule/tables.ts";
import type { HostTensors } from "../../tensor/mod.ts";
import { randomStream } from "../../tensor/mod.ts";
import type { StoredImages } from "../shared/images.ts";
import { bytesToUnit } from "../shared/pixel_values.ts";

export interface BatchOptions {
  readonly tables: DiffusionTables;
  readonly batchSize: number;
  readonly seed: number;
}

/**
 * What the train step is fed with at each step: images in [-1, 1], timesteps uniform in [0, T), noise N(0, I) and the
 * table entries of the timesteps. All of it is a pure function of (seed, step), so a resumed run sees what it would
 * have seen. The arrays are filled anew at each call.
 *
 * Every epoch goes through the images in an order of its own and drops the remainder that fills no batch.
 *
 * @returns feeds of step `step`, counted from 1
 */
export function makeBatches(images: StoredImages, { tables, batchSize, seed }: BatchOptions) {
  const stream = (purpose: string) => randomStream({ seed, stream: `train/${purpose}` });
  const [order, timestep, noise] = [stream("order"), stream("timestep"), stream("noise")];
  const [count, height, width, channels] = images.shape;
  const pixels = height * width * channels;
  const batchesPerEpoch = Math.floor(count / batchSize);

  const feeds = {
    x0: new Float32Array(batchSize * pixels),
    t: new Int32Array(batchSize),
    noise: new Float32Array(batchSize * pixels),
    sqrtAlphasCumprod: new Float32Array(batchSize),
    sqrtOneMinusAlphasCumprod: new Float32Array(batchSize),
  };
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
    for (let i = 0; i < batchSize; i++) {
      const source = indices[start + i]! * pixels;
      bytesToUnit(images.pixels.subarray(source, source + pixels), feeds.x0.subarray(i * pixels, (i + 1) * pixels));
      const t = feeds.t[i]!;
      feeds.sqrtAlphasCumprod[i] = tables.sqrtAlphasCumprod[t]!;
      feeds.sqrtOneMinusAlphasCumprod[i] = tables.sqrtOneMinusAlphasCumprod[t]!;
    }
    return feeds;
  };
}
