import { readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { imageAt, readImages, type StoredImages, writePicture } from "../../artifacts/images.ts";
import type { ContextOf } from "../../contract/stage.ts";
import { type Device, randomStream } from "../../tensor/mod.ts";
import { type BatchDrawer, drawOnDevice, writeDrawn } from "../shared/draw/draw_images.ts";
import { noisedTo } from "../shared/draw/noised.ts";
import { makeReverseWalker } from "../shared/draw/walker.ts";
import { bytesToUnit, tellLabels } from "../shared/feeds.ts";
import { runOf } from "../shared/run_of.ts";
import { interpolateKind } from "./kind.ts";

type Context = ContextOf<typeof interpolateKind>;

/** Ends that are pictured; more rows make no better picture. */
const PICTURED_PAIRS = 16;

export default runOf(interpolateKind, async (context) => {
  const { params, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const ends = await readImages(inputs.images);
  const { pairs, points, timestep, batchSize } = params;
  const { height, width, channels } = checkpoint.config.images;
  const plan = { count: pairs * points, batchSize, pixels: height * width * channels };
  const drawn = await drawOnDevice(context, plan, (device) => makeDrawer(context, checkpoint, { ends, device }));
  if ("status" in drawn) return drawn;
  await writeDrawn(context, checkpoint, {
    name: "interpolate",
    how: { timestep, points },
    of: { digest: inputs.images.digest, source: ends.info.source },
    pixels: drawn.pixels,
  });
  // A row for each pair: one end, the points between, the other end.
  const rows = Array.from({ length: Math.min(pairs, PICTURED_PAIRS) }, (_, pair) => [
    imageAt(ends.pixels, 2 * pair, ends.info),
    ...Array.from({ length: points }, (_, point) => imageAt(drawn.pixels, pair * points + point, ends.info)),
    imageAt(ends.pixels, 2 * pair + 1, ends.info),
  ]);
  await writePicture(outputs.samples, "interpolation.png", rows.flat(), { ...ends.info, columns: points + 2 });
  return undefined;
});

/**
 * Image i is point i mod `points` of its pair. Both ends are noised to the same timestep, mixed there, and taken back with
 * the same noise for all points of a pair, so that the mix alone differs.
 */
async function makeDrawer(
  { params, seed }: Context,
  checkpoint: StoredCheckpoint,
  { ends, device }: { readonly ends: StoredImages; readonly device: Device },
): Promise<BatchDrawer> {
  const { points, timestep, batchSize } = params;
  const { tables, config: { model } } = checkpoint;
  const walker = await makeReverseWalker(checkpoint, { ...params, device });
  const { pixels } = walker;
  const first = walker.steps.findIndex(({ t }) => t <= timestep);
  const start = walker.steps[first]!.t;
  const toNoise = randomStream({ seed, stream: "interpolate/ends" });
  const fresh = randomStream({ seed, stream: "interpolate/step" });
  const untold = tellLabels(model, new Array<undefined>(batchSize).fill(undefined));

  const noisedEnd = (image: number) => {
    const [x0, out] = [new Float32Array(pixels), new Float32Array(pixels)];
    bytesToUnit(imageAt(ends.pixels, image, ends.info), x0);
    noisedTo(tables, start, { x0, noise: toNoise.normal(image, pixels), out });
    return out;
  };
  return {
    steps: walker.steps.length - first,
    async draw(from, onStep) {
      const x = new Float32Array(batchSize * pixels);
      // Beyond the last pair is what fills the batch; it is dropped.
      const pairOf = (i: number) => Math.min(Math.floor((from + i) / points), params.pairs - 1);
      const noised = new Map<number, readonly [Float32Array, Float32Array]>();
      for (let i = 0; i < batchSize; i++) {
        const pair = pairOf(i);
        const both = noised.get(pair) ?? [noisedEnd(2 * pair), noisedEnd(2 * pair + 1)] as const;
        noised.set(pair, both);
        const share = (from + i) % points / (points - 1);
        for (let k = 0; k < pixels; k++) x[i * pixels + k] = (1 - share) * both[0][k]! + share * both[1][k]!;
      }
      walker.begin(x, untold);
      let images: Float32Array = x;
      for (let k = first; k < walker.steps.length; k++) {
        const walked = await walker.step(k, (z) => {
          for (let i = 0; i < batchSize; i++) {
            fresh.normal(k, z.subarray(i * pixels, (i + 1) * pixels), { offset: pairOf(i) * pixels });
          }
        });
        images = walked.x;
        if (!await onStep(k - first + 1)) return undefined;
      }
      return { images };
    },
  };
}
