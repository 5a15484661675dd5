import { readCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import { openImages } from "../../artifacts/image_files.ts";
import { gridPng, imageAt, imagesIn, type View } from "../../artifacts/pictures.ts";
import { denormalize, type Values } from "../../science/diffusion/normalizer.ts";
import { range } from "../../science/metrics/vectors.ts";
import type { ContextOf } from "../../engine/contract/stage.ts";
import { openSamples, sampleOnDevice } from "../shared/draw/draw_images.ts";
import { runOf } from "../shared/run_of.ts";
import { knownCells, makeDrawer } from "./drawer.ts";
import { inpaintKind } from "./kind.ts";

type Context = ContextOf<typeof inpaintKind>;

const PICTURED = 24;
/** Number that stands for the removed part in the picture: mid grey, 128 in bytes. */
const TAKEN_AWAY = Float32Array.of(1 / 255);

export default runOf(inpaintKind, async (context) => {
  const { params, inputs, outputs } = context;
  const checkpoint = await readCheckpoint(inputs.checkpoint, params.weights, context.definitions);
  using images = await openImages(inputs.images);
  const { count, region, repeats, batchSize } = params;
  const { images: size } = checkpoint.config;
  const knownOf = (view: View) => knownCells(keptPixels(region, view.size), view.size, size);
  const pairs: Values[] = [];
  return await sampleOnDevice(context, checkpoint, { count, batchSize }, {
    makeDrawer: (walk, view) => makeDrawer(context, checkpoint, { walk, images, kept: knownOf(view) }),
    async finish(batches, view) {
      const kept = knownOf(view);
      using writer = openSamples(context, checkpoint, {
        ...{ name: "inpaint", count, how: { region, repeats } },
        of: { digest: inputs.images.digest, source: images.info.source },
      }, view);
      for await (const { first, count, rows } of batches) {
        // Kept numbers stay exactly as they are; conversion to the network's and back could change them.
        const originals = images.rows(range(first, count));
        const pixels = rows.pixels.map((value, i) => kept[i % kept.length] === 1 ? originals[i]! : value) as Values;
        await writer.add({ ...rows, pixels });
        for (let i = 0; i < count && first + i < PICTURED; i++) {
          pairs.push(imageAt(originals, i, size), imageAt(pixels, i, size).slice());
        }
      }
      await writer.finish();
      const pixelsKept = keptPixels(region, view.size);
      const middle = denormalize(TAKEN_AWAY, view.form)[0]!;
      const without = (image: Values) => image.map((value, i) => pixelsKept[i] === 1 ? value : middle) as Values;
      // Three images for each: the original, the image without the part, and the inpainted image.
      const threes = imagesIn(await view.show(pairs), view.size)
        .flatMap((image, i) => i % 2 === 0 ? [image, without(image)] : [image]);
      await outputs.samples.write("inpainting.png", gridPng(threes, { ...view.size, columns: 12 }, view.form));
    },
  });
});

/** Returns a mask of the numbers of an image, [H, W, C] row-major: 1 for kept, 0 for inpainted. */
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
    // Uses the middle of each pixel, so that halves of odd sizes are as equal as they can be.
    return painted[region](Math.floor(pixel / width) + 0.5, pixel % width + 0.5) ? 0 : 1;
  });
}
