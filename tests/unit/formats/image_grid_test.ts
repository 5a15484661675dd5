import { assertEquals, assertThrows } from "@std/assert";
import { imageGrid } from "../../../formats/image_grid.ts";

Deno.test("imageGrid() lays images out row by row between white margins of two pixels", () => {
  const [side, scaled] = [2, 16];
  const images = new Uint8Array(3 * side * side).map((_, i) => Math.floor(i / (side * side)) + 1);
  const { width, height, channels, data } = imageGrid(images, [3, side, side, 1], { columns: 2 });
  assertEquals([width, height, channels], [2 * (2 * scaled + 2) + 2, 2 * (2 * scaled + 2) + 2, 1]);
  const at = (x: number, y: number) => data[y * width + x];
  const second = 2 + 2 * scaled + 2;
  assertEquals([at(2, 2), at(second, 2), at(2, second), at(second, second)], [1, 2, 3, 255]);
  assertEquals([at(1, 2), at(second - 1, 2), at(2, second - 1), at(width - 1, height - 1)], [255, 255, 255, 255]);
});

Deno.test("imageGrid() repeats pixels, all channels of each, until an image is 32 pixels high", () => {
  const { width, data } = imageGrid(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), [1, 2, 2, 2]);
  const at = (x: number, y: number) => [...data.subarray(2 * (y * width + x), 2 * (y * width + x) + 2)];
  assertEquals([at(2, 2), at(17, 17), at(18, 2), at(33, 33)], [[1, 2], [1, 2], [3, 4], [7, 8]]);
});

Deno.test("imageGrid() makes a square of images at least 32 pixels high when nothing is said", () => {
  const { width, height } = imageGrid(new Uint8Array(5 * 8 * 8), [5, 8, 8, 1]);
  // Three columns and two rows of 8 x 8 at scale 4, margins of 2.
  assertEquals([width, height], [3 * 34 + 2, 2 * 34 + 2]);
  assertEquals(imageGrid(new Uint8Array(28 * 28), [1, 28, 28, 1]).height, 60);
  assertEquals(imageGrid(new Uint8Array(64 * 64), [1, 64, 64, 1]).height, 68);
});

Deno.test("imageGrid() throws when shape or options are out of range", () => {
  const one = Uint8Array.of(1);
  assertThrows(() => imageGrid(one, [1, 2, 1, 1]), RangeError, "got 1 bytes");
  assertThrows(() => imageGrid(new Uint8Array(), [0, 1, 1, 1]), RangeError, "positive integers");
  assertThrows(() => imageGrid(one, [1, 1, 1, 1], { columns: 0 }), RangeError, "wanted");
});
