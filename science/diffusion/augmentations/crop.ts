import { z } from "zod";
import { defineAugmentation } from "../define.ts";
import { resampled } from "./pixels.ts";

/** Crops a part of the image, and enlarges the part to the whole size bilinearly. */
export default defineAugmentation({
  params: z.strictObject({
    smallest: z.number().positive().lt(1).default(0.8).describe("Sides of the smallest part, as a fraction"),
    probability: z.number().min(0).max(1).default(0.5).describe("Probability that an image is cropped"),
  }).describe("Crop a part and enlarge it"),
  conditions: () => 3,
  augment({ random, ...picture }, { smallest, probability }) {
    const { height, width } = picture;
    const side = smallest + (1 - smallest) * random.uniform();
    const [h, w] = [height, width].map((whole) => Math.max(1, Math.round(whole * side))) as [number, number];
    const [left, top] = [random.integer(width - w + 1), random.integer(height - h + 1)];
    if (random.uniform() >= probability) return { image: picture.image, condition: [0, 0, 0] };
    // Positions of pixel centres; the edge of the part repeats, as nothing beyond is to be seen.
    const place = (index: number, part: number, whole: number, start: number) =>
      start + Math.min(part - 1, Math.max(0, (index + 0.5) * part / whole - 0.5));
    const { image } = resampled(picture, picture, (x, y) => [place(x, w, width, left), place(y, h, height, top)]);
    // The centre of the part, from -1 to 1: 0, like the size, for a whole image.
    return { image, condition: [side - 1, (2 * left + w) / width - 1, (2 * top + h) / height - 1] };
  },
});
