import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { labelNumber, type Labels } from "../../artifacts/labels.ts";
import { denormalize, VALUE_TYPES, type ValueForm } from "../../science/diffusion/normalizer.ts";
import { mix } from "../../science/diffusion/samplers/mix.ts";
import { randomStream } from "../../science/tensor/random/stream.ts";
import type { BatchDrawer } from "../shared/draw/draw_images.ts";
import { startDeviation, type Walk } from "../shared/draw/walk.ts";
import type { SampleParams } from "./kind.ts";

/**
 * Samples images. Each image has its own noise: x_T of image i is step i of one random stream, and its z at step k is
 * the i-th piece of step k of another. An image therefore does not depend on how many are sampled.
 *
 * @param context.stream prefix of the names of the random streams
 * @param noiseOf returns the noise that an image starts from; default: that of the seed
 */
export function makeDrawer(
  { params: { batchSize, trajectory }, seed, stream = "sample" }: {
    readonly params: Pick<SampleParams, "batchSize" | "trajectory">;
    readonly seed: number;
    readonly stream?: string;
  },
  { path, form }: Pick<StoredCheckpoint, "path" | "form">,
  { times, steps, pixels, begin }: Walk,
  { labelOf, noiseOf = initialNoise(seed, pixels, stream) }: {
    readonly labelOf: (image: number) => number | undefined;
    readonly noiseOf?: (image: number) => Float32Array;
  },
): BatchDrawer {
  const fresh = randomStream({ seed, stream: `${stream}/step` });
  const deviation = startDeviation(path, times[0]!);

  return {
    steps,
    async draw(first, onStep, see) {
      const all = () => new Float32Array(batchSize * pixels);
      const noise = all();
      for (let i = 0; i < batchSize; i++) noise.set(noiseOf(first + i), i * pixels);
      const labels = Array.from({ length: batchSize }, (_, i) => labelOf(first + i));
      const film = trajectory !== undefined && first === 0 ? startFilm(trajectory, { steps, pixels, form }) : undefined;
      const images = await begin({ labels, onStep, see: film?.note ?? see })({
        x: mix([deviation, noise]),
        times,
        noise: (k) => fresh.normal(k, all(), { offset: first * pixels }),
      });
      return { images, film: film?.pixels };
    },
  };
}

/** Returns the initial noise of images of a seed, by their index. */
export function initialNoise(seed: number, pixels: number, stream = "sample"): (image: number) => Float32Array {
  const initial = randomStream({ seed, stream: `${stream}/initial` });
  return (image) => initial.normal(image, pixels);
}

/**
 * Returns the label of an image by its index, as the params say, for a class-conditional network; undefined is no
 * label.
 */
export function labelsOf(
  { labels = "cycle" }: Pick<SampleParams, "labels">,
  { classes, classNames }: Partial<Labels>,
): (image: number) => number | undefined {
  if (classes === undefined || labels === "none") return () => undefined;
  if (labels === "cycle") return (image) => image % classes;
  const numbers = labels.map((label) => labelNumber(label, { classes, classNames }));
  return (image) => numbers[image % numbers.length];
}

/** Records how the first images form, one row each: x_t after some steps, and the x_0 predicted then. */
function startFilm(
  { images, frames }: NonNullable<SampleParams["trajectory"]>,
  walk: { readonly steps: number; readonly pixels: number; readonly form: ValueForm },
) {
  const size = images * walk.pixels;
  const pixels = new VALUE_TYPES[walk.form.dtype](2 * frames * size);
  /** Numbers of evaluations done at each frame, from noise to the end. */
  const marks = Array.from({ length: frames }, (_, i) => Math.round(i * walk.steps / (frames - 1)));
  return {
    /** Stored values, [2, frames, images, H, W, C]: x_t, then the predicted x0. */
    pixels,
    /**
     * Records the images after `done` evaluations. If sampling ends early, the last images also fill the frames after
     * it.
     */
    note(done: number, { x, x0 }: { readonly x: Float32Array; readonly x0: Float32Array }, ended: boolean): void {
      marks.forEach((mark, frame) => {
        if (mark !== done && !(ended && mark > done)) return;
        pixels.set(denormalize(x.subarray(0, size), walk.form), frame * size);
        pixels.set(denormalize(x0.subarray(0, size), walk.form), (frames + frame) * size);
      });
    },
  };
}
