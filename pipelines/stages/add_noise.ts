import { defineStage, randomStream } from "noiseline";
import { readImages, writeImages } from "noiseline/data";
import { z } from "zod";

/** Adds Gaussian noise to images in the range [-1, 1] that networks see, and clips values outside this range. */
export default defineStage({
  summary: "Images with Gaussian noise",
  params: z.strictObject({
    /** Standard deviation, where black is -1 and white is 1. */
    sigma: z.number().min(0),
  }),
  inputs: { images: { type: "images", description: "What to disturb" } },
  outputs: { images: { type: "images", description: "The disturbed images, with the labels that they had" } },
  seeded: true,
  async run({ params: { sigma }, inputs, outputs, seed, report }) {
    const { info, pixels, labels } = await readImages(inputs.images);
    const size = info.height * info.width * info.channels;
    const stream = randomStream({ seed, stream: "add-noise" });
    const noisy = new Uint8Array(pixels.length);
    for (let image = 0; image < info.count; image++) {
      // The noise is the same at every sigma, so that levels differ only in its scale.
      const noise = stream.normal(image, size);
      for (let i = 0; i < size; i++) {
        const value = pixels[image * size + i]! + 127.5 * sigma * noise[i]!;
        noisy[image * size + i] = Math.round(Math.min(255, Math.max(0, value)));
      }
      report({ done: image + 1, total: info.count, unit: "image" });
    }
    await writeImages(outputs.images, {
      info: { ...info, source: { ...info.source, sigma } },
      pixels: noisy,
      ...(labels === undefined ? {} : { labels }),
      picture: "images.png",
    });
  },
});
