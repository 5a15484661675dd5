import { z } from "zod";
import { defineAugmentation } from "../define.ts";
import { reflected, resampled } from "./pixels.ts";

/** Shifts by whole pixels; what comes in at an edge mirrors what is beside it (Karras et al. 2020, `translate_int`). */
export default defineAugmentation({
  params: z.strictObject({
    most: z.number().positive().max(1).default(0.125).describe("Largest shift, as a fraction of width and height"),
    probability: z.number().min(0).max(1).default(0.5).describe("Probability that an image is shifted"),
  }).describe("Shift by whole pixels"),
  conditions: () => 2,
  augment({ random, ...picture }, { most, probability }) {
    const { height, width } = picture;
    const drawn = [2 * random.uniform() - 1, 2 * random.uniform() - 1] as const;
    if (random.uniform() >= probability) return { image: picture.image, condition: [0, 0] };
    const [x, y] = [Math.round(drawn[0] * width * most), Math.round(drawn[1] * height * most)];
    const { image } = resampled(
      picture,
      picture,
      (column, row) => [reflected(column - x, width), reflected(row + y, height)],
    );
    return { image, condition: [x / (width * most), y / (height * most)] };
  },
});
