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
import { noisedTo } from "../shared/reverse/noised.ts";
import { makeReverseWalker } from "../shared/reverse/walker.ts";
import { checkInterpolation } from "./check.ts";
import type { interpolateKind } from "./kind.ts";

type Run = RunOf<typeof interpolateKind>;
type Context = Parameters<Run>[0];

/** Ends that are pictured; more rows make no better picture. */
const PICTURED_PAIRS = 16;

const run: Run = async (context) => {
  const { params, seed, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights);
  const ends = await readImages(inputs.images);
  const { images: size, timesteps, model } = checkpoint.config;
  const chain = { ...size, timesteps, learnedVariance: learnsVariance(model) };
  const problem = checkInterpolation(params, { checkpoint: chain, images: ends.info })
    .find(isError);
  if (problem !== undefined) return failedBy(problem);

  const { pairs, points, timestep, sampler, batchSize } = params;
  const { height, width, channels } = size;
  const plan = { count: pairs * points, batchSize, pixels: height * width * channels };
  const drawn = await drawOnDevice(context, plan, (device) => makeDrawer(context, checkpoint, { ends, device }));
  if ("status" in drawn) return drawn;
  await writeImages(outputs.samples, {
    info: {
      count: plan.count,
      height,
      width,
      channels,
      classes: null,
      source: {
        name: "interpolate",
        seed,
        sampler,
        timestep,
        points,
        batchSize,
        of: { digest: inputs.images.digest, source: ends.info.source },
        model: describeModel(inputs.checkpoint, checkpoint, params.weights),
      },
    },
    pixels: drawn.pixels,
    picture: "grid.png",
  });
  if (canBePng(channels)) await outputs.samples.write("interpolation.png", picture(context, drawn.pixels, ends));
  return undefined;
};

export default run;

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
  const walker = await makeReverseWalker(checkpoint, { ...params, device, clip: "unit", clipQuantile: 1, guidance: 1 });
  const { pixels } = walker;
  const first = walker.steps.findIndex(({ t }) => t <= timestep);
  const start = walker.steps[first]!.t;
  const toNoise = randomStream({ seed, stream: "interpolate/ends" });
  const fresh = randomStream({ seed, stream: "interpolate/step" });
  const untold = model.classes === undefined
    ? undefined
    : oneHotLabels(new Array<undefined>(batchSize).fill(undefined), model.classes);

  const noisedEnd = (image: number) => {
    const [x0, out] = [new Float32Array(pixels), new Float32Array(pixels)];
    bytesToUnit(ends.pixels.subarray(image * pixels, (image + 1) * pixels), x0);
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

/** A row for each pair: one end, the points between, the other end. */
function picture({ params }: Context, drawn: Uint8Array, { info, pixels: ends }: StoredImages): Uint8Array {
  const { height, width, channels } = info;
  const size = height * width * channels;
  const pairs = Math.min(params.pairs, PICTURED_PAIRS);
  const columns = params.points + 2;
  const rows = new Uint8Array(pairs * columns * size);
  for (let pair = 0; pair < pairs; pair++) {
    const place = (column: number) => (pair * columns + column) * size;
    rows.set(ends.subarray(2 * pair * size, (2 * pair + 1) * size), place(0));
    rows.set(drawn.subarray(pair * params.points * size, (pair + 1) * params.points * size), place(1));
    rows.set(ends.subarray((2 * pair + 1) * size, (2 * pair + 2) * size), place(columns - 1));
  }
  return encodePng(imageGrid(rows, [pairs * columns, height, width, channels], { columns }));
}
