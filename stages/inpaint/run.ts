import { readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import { imageAt, readImages, type StoredImages, writePicture } from "../../artifacts/images.ts";
import type { ContextOf } from "../../contract/stage.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import { type BatchDrawer, drawOnDevice, writeDrawn } from "../shared/draw/draw_images.ts";
import { noiseAgain, noisedTo } from "../shared/draw/noised.ts";
import { makeReverseWalker } from "../shared/draw/walker.ts";
import { bytesToUnit, tellLabels } from "../shared/feeds.ts";
import { runOf } from "../shared/run_of.ts";
import { inpaintKind } from "./kind.ts";
type Context = ContextOf<typeof inpaintKind>;

const PICTURED = 24;
/** Grey in the picture of what was taken away. */
const TAKEN_AWAY = 128;

export default runOf(inpaintKind, async (context) => {
  const { params, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const images = await readImages(inputs.images);
  const { count, region, repeats, batchSize } = params;
  const { images: size } = checkpoint.config;
  const kept = keptPixels(region, size);
  const plan = { count, batchSize, pixels: kept.length };
  const drawn = await drawOnDevice(context, plan, (device) => makeDrawer(context, checkpoint, { images, device }));
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
 * After each step the kept part is put back, noised as much as the rest is then (Lugmayr et al. 2022, arXiv 2201.09865,
 * algorithm 1). With `repeats` the step's noise is added again and the step taken anew.
 */
async function makeDrawer(
  { params, seed }: Context,
  checkpoint: StoredCheckpoint,
  { images, device }: { readonly images: StoredImages; readonly device: Device },
): Promise<BatchDrawer> {
  const { batchSize, repeats } = params;
  const { tables, config: { model, images: size } } = checkpoint;
  const walker = await makeReverseWalker(checkpoint, { ...params, device });
  const { steps, pixels } = walker;
  const kept = keptPixels(params.region, size);
  const stream = (purpose: string) => randomStream({ seed, stream: `inpaint/${purpose}` });
  const [initial, fresh, known, again] = [stream("initial"), stream("step"), stream("known"), stream("again")];
  const all = () => new Float32Array(batchSize * pixels);
  const [start, x0, noise, noised] = [all(), all(), all(), all()];

  return {
    steps: steps.length * repeats,
    async draw(first, onStep) {
      const last = images.info.count - 1;
      const sources = Array.from({ length: batchSize }, (_, i) => Math.min(first + i, last));
      sources.forEach((source, i) => {
        initial.normal(first + i, start.subarray(i * pixels, (i + 1) * pixels));
        const own = x0.subarray(i * pixels, (i + 1) * pixels);
        bytesToUnit(imageAt(images.pixels, source, size), own);
      });
      walker.begin(start, tellLabels(model, sources.map((source) => images.labels?.[source])));
      const offset = first * pixels;
      let result: Float32Array = start;
      for (let k = 0; k < steps.length; k++) {
        const [t, next] = [steps[k]!.t, steps[k + 1]?.t];
        for (let repeat = 0; repeat < repeats; repeat++) {
          const draw = k * repeats + repeat;
          const { x } = await walker.step(k, (z) => fresh.normal(draw, z, { offset }));
          if (next === undefined) noised.set(x0);
          else noisedTo(tables, next, { x0, noise: known.normal(draw, noise, { offset }), out: noised });
          for (let i = 0; i < x.length; i++) if (kept[i % pixels] === 1) x[i] = noised[i]!;
          result = x;
          if (!await onStep(draw + 1)) return undefined;
          if (repeat === repeats - 1) continue;
          noiseAgain(tables, { from: next, to: t }, { x, noise: again.normal(draw, noise, { offset }) });
        }
      }
      return { images: result };
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
