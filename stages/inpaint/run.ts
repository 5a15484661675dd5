import { learnsVariance, oneHotLabels } from "../../diffusion/model_output.ts";
import { imageGrid } from "../../formats/image_grid.ts";
import { encodePng } from "../../formats/png.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import type { RunOf } from "../../contract/stage.ts";
import { describeModel, readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { failedBy, isError } from "../shared/failed.ts";
import { canBePng, readImages, type StoredImages, writeImages } from "../../artifacts/images.ts";
import { bytesToUnit } from "../shared/pixel_values.ts";
import { type BatchDrawer, drawOnDevice } from "../shared/reverse/draw_images.ts";
import { noiseAgain, noisedTo } from "../shared/reverse/noised.ts";
import { makeReverseWalker } from "../shared/reverse/walker.ts";
import { checkInpainting } from "./check.ts";
import type { inpaintKind } from "./kind.ts";
import { keptPixels } from "./region.ts";

type Run = RunOf<typeof inpaintKind>;
type Context = Parameters<Run>[0];

const PICTURED = 24;
/** Grey in the picture of what was taken away. */
const TAKEN_AWAY = 128;

const run: Run = async (context) => {
  const { params, seed, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const images = await readImages(inputs.images);
  const { images: size, timesteps, model } = checkpoint.config;
  const chain = { ...size, timesteps, learnedVariance: learnsVariance(model) };
  const problem = checkInpainting(params, { checkpoint: chain, images: images.info })
    .find(isError);
  if (problem !== undefined) return failedBy(problem);

  const { count, region, repeats, sampler, batchSize } = params;
  const { height, width, channels } = size;
  const plan = { count, batchSize, pixels: height * width * channels };
  const drawn = await drawOnDevice(context, plan, (device) => makeDrawer(context, checkpoint, { images, device }));
  if ("status" in drawn) return drawn;
  // What is kept is kept to the bit; through [-1, 1] and back it could lose a level.
  const kept = keptPixels(region, size);
  const pixels = drawn.pixels.map((value, i) => kept[i % plan.pixels] === 1 ? images.pixels[i]! : value);
  await writeImages(outputs.samples, {
    info: {
      count,
      height,
      width,
      channels,
      classes: null,
      source: {
        name: "inpaint",
        seed,
        sampler,
        region,
        repeats,
        batchSize,
        of: { digest: inputs.images.digest, source: images.info.source },
        model: describeModel(inputs.checkpoint, checkpoint, params.weights),
      },
    },
    pixels,
    picture: "grid.png",
  });
  if (canBePng(channels)) await outputs.samples.write("inpainting.png", picture(pixels, images, { count, kept }));
  return undefined;
};

export default run;

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
  const walker = await makeReverseWalker(checkpoint, { ...params, device, clip: "unit", clipQuantile: 1, guidance: 1 });
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
        bytesToUnit(images.pixels.subarray(source * pixels, (source + 1) * pixels), own);
      });
      // A label that the network was never told is none.
      const told = (label: number | undefined) =>
        label !== undefined && label < (model.classes ?? 0) ? label : undefined;
      const labels = sources.map((source) => told(images.labels?.[source]));
      walker.begin(start, model.classes === undefined ? undefined : oneHotLabels(labels, model.classes));
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

/** Threes of pictures: as it was, without the part, with the part painted anew. */
function picture(
  painted: Uint8Array,
  { info: { height, width, channels }, pixels: images }: StoredImages,
  { count, kept }: { readonly count: number; readonly kept: Uint8Array },
): Uint8Array {
  const size = kept.length;
  const shown = Math.min(count, PICTURED);
  const rows = new Uint8Array(3 * shown * size);
  for (let image = 0; image < shown; image++) {
    const original = images.subarray(image * size, (image + 1) * size);
    rows.set(original, 3 * image * size);
    rows.set(original.map((value, i) => kept[i] === 1 ? value : TAKEN_AWAY), (3 * image + 1) * size);
    rows.set(painted.subarray(image * size, (image + 1) * size), (3 * image + 2) * size);
  }
  return encodePng(imageGrid(rows, [3 * shown, height, width, channels], { columns: 12 }));
}
