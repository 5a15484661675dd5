import { assertEquals } from "@std/assert";
import { imageGrid } from "../../../../science/pictures/image_grid.ts";

Deno.test("imageGrid() lays images out row by row between white margins of two pixels", () => {
  const [side, scaled] = [2, 16];
  const images = [1, 2, 3].map((value) => new Uint8Array(side * side).fill(value));
  const { width, height, channels, data } = imageGrid(images, { height: side, width: side, channels: 1, columns: 2 });
  assertEquals([width, height, channels], [2 * (2 * scaled + 2) + 2, 2 * (2 * scaled + 2) + 2, 1]);
  const at = (x: number, y: number) => data[y * width + x];
  const second = 2 + 2 * scaled + 2;
  assertEquals([at(2, 2), at(second, 2), at(2, second), at(second, second)], [1, 2, 3, 255]);
  assertEquals([at(1, 2), at(second - 1, 2), at(2, second - 1), at(width - 1, height - 1)], [255, 255, 255, 255]);
});

Deno.test("imageGrid() repeats pixels, all channels of each, until an image is 32 pixels high", () => {
  const { width, data } = imageGrid([Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)], { height: 2, width: 2, channels: 2 });
  const at = (x: number, y: number) => [...data.subarray(2 * (y * width + x), 2 * (y * width + x) + 2)];
  assertEquals([at(2, 2), at(17, 17), at(18, 2), at(33, 33)], [[1, 2], [1, 2], [3, 4], [7, 8]]);
});

Deno.test("imageGrid() makes a square of images at least 32 pixels high when nothing is said", () => {
  const gridOf = (count: number, side: number) => {
    const images = Array.from({ length: count }, () => new Uint8Array(side * side));
    return imageGrid(images, { height: side, width: side, channels: 1 });
  };
  const { width, height } = gridOf(5, 8);
  // Three columns and two rows of 8 x 8 at scale 4, margins of 2.
  assertEquals([width, height], [3 * 34 + 2, 2 * 34 + 2]);
  assertEquals(gridOf(1, 28).height, 60);
  assertEquals(gridOf(1, 64).height, 68);
});
