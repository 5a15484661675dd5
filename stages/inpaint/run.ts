import { readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import { imageAt, readImages, type StoredImages, writePicture } from "../../artifacts/images.ts";
import type { ContextOf } from "../../contract/stage.ts";
import { mix } from "../../diffusion/samplers/mix.ts";
import { transition } from "../../diffusion/samplers/transition.ts";
import { randomStream } from "../../tensor/mod.ts";
import { type BatchDrawer, drawOnDevice, writeDrawn } from "../shared/draw/draw_images.ts";
import { startDeviation, type Walk } from "../shared/draw/walk.ts";
import { bytesToUnit } from "../shared/feeds.ts";
import { runOf } from "../shared/run_of.ts";
import { inpaintKind } from "./kind.ts";
type Context = ContextOf<typeof inpaintKind>;

const PICTURED = 24;
/** Grey in the picture of what was taken away. */
const TAKEN_AWAY = 128;

export default runOf(inpaintKind, async (context) => {
  const { params, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights, context.definitions);
  const images = await readImages(inputs.images);
  const { count, region, repeats, batchSize } = params;
  const { images: size } = checkpoint.config;
  const kept = keptPixels(region, size);
  const drawn = await drawOnDevice(
    context,
    checkpoint,
    { count, batchSize },
    (walk) => makeDrawer(context, checkpoint, { walk, images, kept }),
  );
  if ("status" in drawn) return drawn;
  // What is kept is kept to the bit; through [-1, 1] and back it could lose a level.
  const pixels = drawn.pixels.map((value, i) => kept[i % kept.length] === 1 ? images.pixels[i]! : value);
  await writeDrawn(context, checkpoint, {
    name: "inpaint",
    how: { region, repeats },
    of: { digest: inputs.images.digest, source: images.info.source },
    pixels,
  });
  // Threes of pictures: as it was, without the part, with the part painted anew.
  const threes = Array.from({ length: Math.min(count, PICTURED) }, (_, image) => {
    const original = imageAt(images.pixels, image, size);
    return [original, original.map((value, i) => kept[i] === 1 ? value : TAKEN_AWAY), imageAt(pixels, image, size)];
  });
  await writePicture(outputs.samples, "inpainting.png", threes.flat(), { ...size, columns: 12 });
  return undefined;
});

/**
 * The sampler takes one step at a time. After each the kept part is put back, noised as much as the rest is then (Lugmayr
 * et al. 2022, arXiv 2201.09865, algorithm 1). With `repeats` the step's noise is added again and the step taken anew.
 */
function makeDrawer(
  { params: { batchSize, repeats }, seed }: Context,
  { path, config: { images: size } }: StoredCheckpoint,
  { walk: { times, steps, pixels, begin }, images, kept }: {
    readonly walk: Walk;
    readonly images: StoredImages;
    readonly kept: Uint8Array;
  },
): BatchDrawer {
  const stream = (purpose: string) => randomStream({ seed, stream: `inpaint/${purpose}` });
  const [initial, fresh, known, again] = [stream("initial"), stream("step"), stream("known"), stream("again")];
  const all = () => new Float32Array(batchSize * pixels);

  return {
    steps: steps * repeats,
    async draw(first, onStep) {
      const last = images.info.count - 1;
      const sources = Array.from({ length: batchSize }, (_, i) => Math.min(first + i, last));
      const [start, x0] = [all(), all()];
      sources.forEach((source, i) => {
        initial.normal(first + i, start.subarray(i * pixels, (i + 1) * pixels));
        const own = x0.subarray(i * pixels, (i + 1) * pixels);
        bytesToUnit(imageAt(images.pixels, source, size), own);
      });
      const walk = begin({ labels: sources.map((source) => images.labels?.[source]), repeats, onStep });
      const offset = first * pixels;
      let x = mix([startDeviation(path, times[0]!), start]);
      for (let k = 0; k + 1 < times.length; k++) {
        const [t, next] = [times[k]!, times[k + 1]!];
        for (let repeat = 0; repeat < repeats; repeat++) {
          const draw = k * repeats + repeat;
          x = await walk({ x, times: [t, next], noise: () => fresh.normal(draw, all(), { offset }) });
          const noised = mix([path.signal(next), x0], [path.noise(next), known.normal(draw, all(), { offset })]);
          for (let i = 0; i < x.length; i++) if (kept[i % pixels] === 1) x[i] = noised[i]!;
          if (repeat === repeats - 1) continue;
          const { signal, variance } = transition(path, next, t);
          x = mix([signal, x], [Math.sqrt(variance), again.normal(draw, all(), { offset })]);
        }
      }
      return { images: x };
    },
  };
}

/** For each number of an image whether it is kept, [H, W, C] row-major: 1, or 0 where it is painted anew. */
export function keptPixels(region: Context["params"]["region"], { height, width, channels }: ImageSize): Uint8Array {
  const [middleY, middleX] = [height / 2, width / 2];
  const painted: Record<Context["params"]["region"], (y: number, x: number) => boolean> = {
    center: (y, x) => Math.abs(y - middleY) < height / 4 && Math.abs(x - middleX) < width / 4,
    left: (_, x) => x < middleX,
    right: (_, x) => x > middleX,
    top: (y) => y < middleY,
    bottom: (y) => y > middleY,
  };
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    // Of the middle of a pixel, so that halves of odd sizes are as even as they can be.
    return painted[region](Math.floor(pixel / width) + 0.5, pixel % width + 0.5) ? 0 : 1;
  });
}
