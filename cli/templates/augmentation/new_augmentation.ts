import { defineAugmentation } from "noiseline";
import { z } from "zod";

/**
 * Blanks a square (cutout, DeVries and Taylor 2017), and tells the network the share of the image that is blank.
 *
 * In a pipeline:
 *
 *     train: { uses: train, …, with: { …, augment: { uses: ./new_augmentation.ts, side: 0.25 } } }
 */
export default defineAugmentation({
  params: z.strictObject({
    side: z.number().positive().max(1).default(0.25).describe("Side of the square, as a fraction of the image's"),
    probability: z.number().min(0).max(1).default(0.5).describe("Probability that an image has one"),
  }),

  // The length of `condition`.
  conditions: () => 1,

  augment({ image, height, width, channels, random }, { side, probability }) {
    const [rows, columns] = [Math.round(side * height), Math.round(side * width)];
    const [top, left] = [random.integer(height - rows + 1), random.integer(width - columns + 1)];
    // Zeros stand for an image as it is, which is what the network is told when it samples.
    if (random.uniform() >= probability) return { image, condition: [0] };
    for (let row = top; row < top + rows; row++) {
      image.fill(0, (row * width + left) * channels, (row * width + left + columns) * channels);
    }
    return { image, condition: [rows * columns / (height * width)] };
  },
});
