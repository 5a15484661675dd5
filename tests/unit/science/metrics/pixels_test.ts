import { assertEquals } from "@std/assert";
import { pixelFeatureDimension, pixelFeatures } from "../../../../science/metrics/features/pixels.ts";
import type { ImageValues } from "../../../../science/pictures/resize.ts";
import { assertAllClose } from "../diffusion/assert_close.ts";

const images = (count: number, height: number, width: number, channels: number, data?: number[]): ImageValues => ({
  count,
  height,
  width,
  channels,
  data: data === undefined ? new Uint8Array(count * height * width * channels) : Uint8Array.from(data),
});

Deno.test("pixelFeatures() maps bytes to [-1, 1] and keeps the pixels when images are small", () => {
  const features = pixelFeatures(images(2, 1, 2, 1, [0, 255, 51, 204]));
  assertAllClose(features, [-1, 1, -0.6, 0.6], { abs: 1e-7 });
});

Deno.test("pixelFeatures() averages squares of pixels, channel by channel, when images are larger than 8", () => {
  const data = new Array<number>(16 * 16 * 2).fill(0);
  // The last cell of the second channel: three pixels of 255 and one of 0.
  for (const [y, x] of [[14, 14], [14, 15], [15, 14]] as const) data[(y * 16 + x) * 2 + 1] = 255;
  const features = pixelFeatures(images(1, 16, 16, 2, data));
  assertEquals(features.length, 128);
  assertAllClose(features.slice(-2), [-1, 0.5], { abs: 1e-7 });
  assertEquals(features.slice(0, -1).every((value) => value === -1), true);
});

Deno.test("pixelFeatures() averages what there is when the last square leaves the image", () => {
  const source = images(1, 1, 9, 1, [255, 255, 0, 0, 0, 0, 0, 0, 255]);
  assertAllClose(pixelFeatures(source), [1, -1, -1, -1, 1], { abs: 1e-7 });
});

Deno.test("pixelFeatureDimension() is at most 8 x 8 for each channel", () => {
  const sides = [1, 8, 9, 16, 28, 32, 33, 256];
  const dimensions = sides.map((side) => pixelFeatureDimension({ height: side, width: side, channels: 3 }) / 3);
  assertEquals(dimensions, [1, 64, 25, 64, 49, 64, 49, 64]);
});
