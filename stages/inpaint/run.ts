import { readCheckpoint } from "../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../artifacts/facts.ts";
import { openImages } from "../../artifacts/image_files.ts";
import { imageAt, writePicture } from "../../artifacts/pictures.ts";
import { denormalize, type Values } from "../../diffusion/normalizer.ts";
import { range } from "../../metrics/vectors.ts";
import type { ContextOf } from "../../contract/stage.ts";
import { openSamples, sampleOnDevice } from "../shared/draw/draw_images.ts";
import { runOf } from "../shared/run_of.ts";
import { makeDrawer } from "./drawer.ts";
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
  const kept = keptPixels(region, size);
  const middle = denormalize(TAKEN_AWAY, checkpoint.form);
  // Three images for each: the original, the image without the part, and the inpainted image.
  const threes: Values[] = [];
  return await sampleOnDevice(context, checkpoint, { count, batchSize }, {
    makeDrawer: (walk) => makeDrawer(context, checkpoint, { walk, images, kept }),
    async finish(batches) {
      using writer = openSamples(context, checkpoint, {
        ...{ name: "inpaint", count, how: { region, repeats } },
        of: { digest: inputs.images.digest, source: images.info.source },
      });
      for await (const { first, count, rows } of batches) {
        // Kept pixels keep their exact values; conversion to the network's numbers and back could change them.
        const originals = images.rows(range(first, count));
        const pixels = rows.pixels.map((value, i) => kept[i % kept.length] === 1 ? originals[i]! : value) as Values;
        await writer.add(pixels);
        for (let i = 0; i < count && first + i < PICTURED; i++) {
          const original = imageAt(originals, i, size);
          const removed = original.map((value, i) => kept[i] === 1 ? value : middle[0]!) as Values;
          threes.push(original, removed, imageAt(pixels, i, size));
        }
      }
      await writer.finish();
      await writePicture(outputs.samples, "inpainting.png", threes, { ...size, columns: 12 }, checkpoint.form);
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
