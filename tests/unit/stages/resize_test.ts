import { assert, assertEquals } from "@std/assert";
import { resize } from "../../../stages/dataset/pixels.ts";
import { randomStream } from "../../../science/tensor/mod.ts";

/** Returns bytes of two images of noise, the hardest case for an average. */
function noise(side: number): Uint8Array<ArrayBuffer> {
  const integers = randomStream({ seed: 1, stream: "test/resize" }).integers(0, 2 * side * side, 256);
  return Uint8Array.from(integers);
}

const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

Deno.test("resize() halves by the mean of four pixels, rounded half up", () => {
  const pixels = Uint8Array.of(0, 1, 2, 3, 1, 0, 5, 5, 9, 9, 255, 255, 9, 9, 255, 254);
  // Means 0.5, 3.75, 9, 254.75.
  assertEquals([...resize(pixels, 4, 2)], [1, 4, 9, 255]);
});

Deno.test("resize() weighs pixels by the overlap when sides do not divide", () => {
  // 3 to 2: each new pixel covers one and a half old pixels per side, so 4 / 9, 2 / 9 and 1 / 9 of the four that it
  // touches.
  const pixels = Uint8Array.of(90, 0, 0, 0, 0, 0, 0, 0, 9);
  assertEquals([...resize(pixels, 3, 2)], [40, 0, 0, 4]);
});

for (const side of [4, 7, 8, 16, 27]) {
  Deno.test(`resize() keeps the mean within rounding from 28 to ${side}`, () => {
    const pixels = noise(28);
    const small = resize(pixels, 28, side);
    assertEquals(small.length, 2 * side * side);
    // Rounding moves a pixel by at most a half.
    assert(Math.abs(mean(small) - mean(pixels)) < 0.5);
  });
}

Deno.test("resize() pads with zeros around the middle and leaves the same side alone", () => {
  const pixels = noise(28);
  const padded = resize(pixels, 28, 32);
  assertEquals(padded.length, 2 * 32 * 32);
  assertEquals(padded.subarray(0, 2 * 32).every((value) => value === 0), true);
  for (const [image, y] of [[0, 0], [1, 27]] as const) {
    const start = (image * 32 + y + 2) * 32 + 2;
    const source = (image * 28 + y) * 28;
    assertEquals(padded.subarray(start, start + 28), pixels.subarray(source, source + 28));
  }
  assertEquals(resize(pixels, 28, 28), pixels);
});
