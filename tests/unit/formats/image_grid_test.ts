import { assertEquals, assertThrows } from "@std/assert";
import { imageGrid } from "../../../formats/image_grid.ts";

Deno.test("imageGrid() lays images out row by row between margins", () => {
  const { width, height, channels, data } = imageGrid(Uint8Array.of(1, 2, 3), [3, 1, 1, 1], {
    columns: 2,
    margin: 1,
    scale: 1,
    background: 9,
  });
  assertEquals([width, height, channels], [5, 5, 1]);
  assertEquals(Array.from(data), [
    ...[9, 9, 9, 9, 9],
    ...[9, 1, 9, 2, 9],
    ...[9, 9, 9, 9, 9],
    ...[9, 3, 9, 9, 9],
    ...[9, 9, 9, 9, 9],
  ]);
});

Deno.test("imageGrid() repeats pixels, all channels of each, when the scale is 2", () => {
  const { width, height, data } = imageGrid(Uint8Array.of(1, 2, 3, 4), [1, 1, 2, 2], { margin: 0, scale: 2 });
  assertEquals([width, height], [4, 2]);
  assertEquals(Array.from(data), [1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4]);
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
  const wrong = [{ columns: 0 }, { margin: -1 }, { scale: 1.5 }, { background: 256 }];
  for (const options of wrong) assertThrows(() => imageGrid(one, [1, 1, 1, 1], options), RangeError, "wanted");
});
