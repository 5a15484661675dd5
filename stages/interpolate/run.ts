import { readCheckpoint, type StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { gridPng, imageAt } from "../../artifacts/pictures.ts";
import type { ContextOf } from "../../engine/contract/stage.ts";
import type { Values } from "../../science/diffusion/normalizer.ts";
import { mix } from "../../science/diffusion/samplers/mix.ts";
import { DATA_TIME } from "../../science/diffusion/path.ts";
import { randomStream } from "../../science/tensor/mod.ts";
import { type BatchDrawer, openSamples, sampleOnDevice } from "../shared/draw/draw_images.ts";
import type { Walk } from "../shared/draw/walk.ts";
import { runOf } from "../shared/run_of.ts";
import { interpolateKind } from "./kind.ts";

type Context = ContextOf<typeof interpolateKind>;

/** Number of pairs in the picture; more rows would not improve it. */
const PICTURED_PAIRS = 16;

export default runOf(interpolateKind, async (context) => {
  const { params, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights, context.definitions);
  using ends = await openImages(inputs.images);
  const { pairs, points, timestep, batchSize } = params;
  // A row for each pair: one end, the points between, the other end.
  const rowsShown: Values[] = [];
  return await sampleOnDevice(context, checkpoint, { count: pairs * points, batchSize }, {
    makeDrawer: (walk) => makeDrawer(context, checkpoint, { walk, ends }),
    async finish(batches, view) {
      using writer = openSamples(context, checkpoint, {
        ...{ name: "interpolate", count: pairs * points, how: { timestep, points } },
        of: { digest: inputs.images.digest, source: ends.info.source },
      }, view);
      for await (const { first, count, rows } of batches) {
        await writer.add(rows);
        for (let i = first; i < Math.min(first + count, PICTURED_PAIRS * points); i++) {
          const [pair, point] = [Math.floor(i / points), i % points];
          if (point === 0) rowsShown.push(ends.rows([2 * pair]));
          rowsShown.push(imageAt(rows.pixels, i - first, ends.info).slice());
          if (point === points - 1) rowsShown.push(ends.rows([2 * pair + 1]));
        }
      }
      await writer.finish();
      const picture = gridPng([await view.show(rowsShown)], { ...view.size, columns: points + 2 }, view.form);
      await outputs.samples.write("interpolation.png", picture);
    },
  });
});

/**
 * Samples interpolated images. Image i is point i mod `points` of its pair. Both ends are noised to the same timestep,
 * mixed there, and denoised with the same noise for all points of a pair, so that only the mixture differs.
 */
function makeDrawer(
  { params, seed }: Context,
  { path, form }: Pick<StoredCheckpoint, "path" | "form">,
  { walk: { times, steps, pixels, begin, fault }, ends }: { readonly walk: Walk; readonly ends: ImageReader },
): BatchDrawer {
  const { points, timestep, batchSize } = params;
  const first = times.findIndex((t) => t <= timestep);
  const start = times[first]!;
  if (start === DATA_TIME) {
    const [got, wanted] = [`timestep ${timestep}`, `at least ${times[first - 1]}`];
    throw fault({ message: "visits no time this low", got, wanted, fix: "raise timestep, or take more steps" });
  }
  const toNoise = randomStream({ seed, stream: "interpolate/ends" });
  const fresh = randomStream({ seed, stream: "interpolate/step" });

  const noisedEnd = (image: number) => {
    const x0 = new Float32Array(pixels);
    ends.read([image], x0, form);
    return mix([path.signal(start), x0], [path.noise(start), toNoise.normal(image, pixels)]);
  };
  return {
    steps: Math.ceil(steps * (times.length - 1 - first) / (times.length - 1)),
    async draw(from, onStep) {
      const x = new Float32Array(batchSize * pixels);
      // Images beyond the last pair only fill up the batch, and are dropped.
      const pairOf = (i: number) => Math.min(Math.floor((from + i) / points), params.pairs - 1);
      const noised = new Map<number, readonly [Float32Array, Float32Array]>();
      for (let i = 0; i < batchSize; i++) {
        const pair = pairOf(i);
        const both = noised.get(pair) ?? [noisedEnd(2 * pair), noisedEnd(2 * pair + 1)] as const;
        noised.set(pair, both);
        const share = (from + i) % points / (points - 1);
        x.set(mix([1 - share, both[0]], [share, both[1]]), i * pixels);
      }
      const images = await begin({ onStep })({
        x,
        times: times.slice(first),
        noise(k) {
          const z = new Float32Array(batchSize * pixels);
          for (let i = 0; i < batchSize; i++) {
            const own = z.subarray(i * pixels, (i + 1) * pixels);
            fresh.normal(first + k, own, { offset: pairOf(i) * pixels });
          }
          return z;
        },
      });
      return { images };
    },
  };
}
