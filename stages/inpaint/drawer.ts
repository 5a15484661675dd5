import type { z } from "zod";
import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import type { ImageReader } from "../../artifacts/image_files.ts";
import { mix, transition } from "../../science/diffusion/samplers/mix.ts";
import { randomStream } from "../../science/tensor/random/stream.ts";
import type { BatchDrawer } from "../shared/draw/draw_images.ts";
import { startDeviation, type Walk } from "../shared/draw/walk.ts";
import type { inpaintKind } from "./kind.ts";

/**
 * Takes a mask of images to the grid of their latents, or leaves it as it is. A latent is known, 1, if all pixels are
 * that its cell covers.
 *
 * @param kept [H, W, C], the same for all channels @returns [h, w, c]
 */
export function knownCells(kept: Uint8Array, size: ImageSize, { height, width, channels }: ImageSize): Uint8Array {
  const cells = new Uint8Array(height * width * channels).fill(1);
  for (let at = 0; at < kept.length; at += size.channels) {
    if (kept[at] === 1) continue;
    const [y, x] = [Math.floor(at / size.channels / size.width), at / size.channels % size.width];
    const cell = Math.floor(y * height / size.height) * width + Math.floor(x * width / size.width);
    cells.fill(0, cell * channels, (cell + 1) * channels);
  }
  return cells;
}

/**
 * Inpaints images. The sampler takes one step at a time. After each step the kept part is put back, noised to the same
 * level as the rest (Lugmayr et al. 2022, arXiv 2201.09865, algorithm 1). With `repeats`, the step's noise is added
 * again and the step is repeated.
 */
export function makeDrawer(
  { params: { batchSize, repeats }, seed }: {
    readonly params: Pick<z.output<typeof inpaintKind.params>, "batchSize" | "repeats">;
    readonly seed: number;
  },
  { path, form }: Pick<StoredCheckpoint, "path" | "form">,
  { walk: { times, steps, pixels, begin }, images, kept }: {
    readonly walk: Walk;
    /** The last image is also used for all indices beyond it. */
    readonly images: Pick<ImageReader, "labels" | "read"> & { readonly info: { readonly count: number } };
    readonly kept: Uint8Array;
  },
): BatchDrawer {
  const stream = (purpose: string) => randomStream({ seed, stream: `inpaint/${purpose}` });
  const [initial, fresh, known, again] = [stream("initial"), stream("step"), stream("known"), stream("again")];
  const all = () => new Float32Array(batchSize * pixels);

  return {
    steps: steps * repeats,
    async draw(first, onStep, see) {
      const last = images.info.count - 1;
      const sources = Array.from({ length: batchSize }, (_, i) => Math.min(first + i, last));
      const [start, x0] = [all(), all()];
      for (let i = 0; i < batchSize; i++) initial.normal(first + i, start.subarray(i * pixels, (i + 1) * pixels));
      images.read(sources, x0, form);
      const walk = begin({ labels: sources.map((source) => images.labels?.[source]), repeats, onStep, see });
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
