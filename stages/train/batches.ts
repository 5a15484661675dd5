import type { ImageReader } from "../../artifacts/image_files.ts";
import type { LossAwareTimesteps } from "../../science/diffusion/loss_aware_timesteps.ts";
import type { Path } from "../../science/diffusion/define.ts";
import { type LossOptions, stepFigures, usesContinuousTimes } from "../../science/diffusion/loss_tables.ts";
import { oneHotLabels } from "../../science/diffusion/network.ts";
import { timePoint } from "../../science/diffusion/path.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { type HostTensors, randomStream } from "../../science/tensor/mod.ts";
import type { RandomStream } from "../../science/tensor/random/stream.ts";
import type { Augmenter } from "../shared/augmenter.ts";
import { batchImages } from "../shared/epochs.ts";
import type { TrainParams } from "./params.ts";

interface BatchOptions
  extends LossOptions, Pick<TrainParams, "batchSize">, Partial<Pick<TrainParams, "dropout" | "flip">> {
  /** Samples the timesteps by the losses seen so far. Default: uniform. */
  readonly timesteps?: LossAwareTimesteps | undefined;
  readonly seed: number;
  /** Labels for a class-conditional network; the feeds then have `classes`. Default: none. */
  readonly classes?: number | undefined;
  /** Changes each image, after a flip. Default: none. */
  readonly augmenter?: Augmenter | undefined;
  /** Probability that a label is dropped. Default 0. */
  readonly dropLabels?: number | undefined;
}

/**
 * Makes the inputs of the train step: images in [-1, 1], times as the path samples them (uniform in [0, T) for a
 * chain), noise N(0, I), the loss's figures at these times, with dropout the key of the masks, `dropoutKey`, and what
 * an augmentation did, `augmentation`. All of these are pure functions of (seed, step), so that a resumed run gets the
 * same inputs as one that never stopped; loss-aware timesteps also depend on the losses, which are part of the saved
 * state.
 *
 * @returns `at`, which gives the inputs of a step, counted from 1, in arrays that it fills anew at each call; and
 * `prepare`, which reads the images of a step while the device computes the step before
 */
export function makeBatches(
  images: Pick<ImageReader, "info" | "shape" | "size" | "labels" | "read">,
  { timesteps, batchSize, seed, dropout = 0, flip = false, classes, dropLabels = 0, augmenter, ...loss }: BatchOptions,
) {
  const stream = (purpose: string) => randomStream({ seed, stream: `train/${purpose}` });
  const [timestep, noise] = [stream("timestep"), stream("noise")];
  const [dropoutKey, untold] = [stream("dropout"), stream("label")];
  const { size: pixels, info: { posterior } } = images;
  const { x0, prepare, read } = batchImages(images, { batchSize, flip, posterior }, stream);
  const { path } = loss;
  const between = usesContinuousTimes({ ...loss, timestepSampler: timesteps === undefined ? "uniform" : "loss-aware" });
  const drawTimes = timeDrawer(path, batchSize, stream);

  const feeds = definedOnly({
    x0,
    t: between ? new Float32Array(batchSize) : new Int32Array(batchSize),
    noise: new Float32Array(batchSize * pixels),
    dropoutKey: dropout > 0 ? new Int32Array(2) : undefined,
    importance: timesteps && new Float32Array(batchSize),
    augmentation: augmenter?.conditions ? new Float32Array(batchSize * augmenter.conditions) : undefined,
  });
  const points = between ? [] : Array.from({ length: path.timesteps }, (_, t) => timePoint(path, t));
  const gathered = Object.entries(stepFigures(loss)).map(([name, figure]) => {
    return { name, figure, table: Float64Array.from(points, figure), values: new Float32Array(batchSize) };
  });
  const all: HostTensors = { ...feeds, ...Object.fromEntries(gathered.map(({ name, values }) => [name, values])) };

  const at = (step: number): HostTensors => {
    const indices = read(step);
    if (timesteps === undefined) drawTimes(step, feeds.t);
    else timesteps.draw(timestep.uniform(step, batchSize), { t: feeds.t as Int32Array, importance: feeds.importance! });
    noise.normal(step, feeds.noise);
    if (feeds.dropoutKey !== undefined) dropoutKey.integers(step, feeds.dropoutKey, 2 ** 31);
    if (classes !== undefined) {
      const draws = untold.uniform(step, batchSize);
      const labels = Array.from(draws, (u, i) => u < dropLabels ? undefined : images.labels![indices[i]!]!);
      all["classes"] = oneHotLabels(labels, classes);
    }
    for (let i = 0; i < batchSize; i++) {
      const condition = augmenter?.apply(x0.subarray(i * pixels, (i + 1) * pixels), step, i);
      if (condition !== undefined) feeds.augmentation?.set(condition, i * condition.length);
      const t = feeds.t[i]!;
      const time = between ? timePoint(path, t) : undefined;
      for (const { figure, table, values } of gathered) values[i] = time === undefined ? table[t]! : figure(time);
    }
    return all;
  };
  return { at, prepare };
}

/** Returns a function that fills in the times of a step: integers for a chain, or as a user's path samples them. */
function timeDrawer(
  path: Path,
  batchSize: number,
  stream: (purpose: string) => RandomStream,
): (step: number, t: Float32Array | Int32Array) => void {
  const [timestep, normals] = [stream("timestep"), stream("timestep-normal")];
  if (!path.continuous) return (step, t) => timestep.integers(step, t as Int32Array<ArrayBuffer>, path.timesteps);
  const normal = new Float32Array(batchSize);
  return (step, t) => {
    normals.normal(step, normal);
    timestep.uniform(step, batchSize).forEach((uniform, i) => {
      t[i] = path.draw({ uniform, normal: normal[i]! });
    });
  };
}
