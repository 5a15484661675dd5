import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { gridPng } from "../../../../artifacts/pictures.ts";
import { formOf, type Normalizer, rangeNormalizer, type ValueForm } from "../../../../science/diffusion/normalizer.ts";
import { decodePng } from "../../../../science/formats/png_decoder.ts";
import { linePlots, pointPlots } from "../../../../science/pictures/plots.ts";
import type { ByteImage } from "../../../../science/formats/byte_image.ts";

/** Pixels between the edge of a plot and the end of its axes. */
const MARGIN = 3;

/** Returns the pixel of a coordinate in [-half, half] along a side. */
const pixelOf = (x: number, half: number, side: number) =>
  MARGIN + (Math.min(1, Math.max(-1, x / half)) + 1) / 2 * (side - 1 - 2 * MARGIN);

/** Returns the places of the pixels that are coloured, not grey. */
function coloured({ width, data }: ByteImage): (readonly [x: number, y: number])[] {
  const places: (readonly [number, number])[] = [];
  for (let i = 0; i < data.length / 3; i++) {
    const [r, g, b] = data.subarray(i * 3, i * 3 + 3);
    if (Math.max(r!, g!, b!) - Math.min(r!, g!, b!) > 8) places.push([i % width, Math.floor(i / width)]);
  }
  return places;
}

const coordinate = fc.double({ min: -1, max: 1, noNaN: true });

Deno.test("a point is drawn where its first two numbers say, and one beyond the axes at the edge", () => {
  fc.assert(fc.property(coordinate, coordinate, fc.integer({ min: 2, max: 5 }), (x, y, dimensions) => {
    const point = Float32Array.from({ length: dimensions }, (_, i) => [x, y][i] ?? 9);
    const [plot] = pointPlots([point], 1, 2);
    const places = coloured(plot!);
    assert(places.length >= 4);
    for (const [column, row] of places) {
      // A dot's radius is 1.1 pixels, and half a pixel is its edge.
      assert(Math.abs(column - pixelOf(x, 2, plot!.width)) <= 1.6);
      assert(Math.abs(row - pixelOf(-y, 2, plot!.height)) <= 1.6);
    }
  }));
  // 1 of 1,000 numbers is far away: the axes do not follow it.
  const many = Array.from({ length: 500 }, (_, i) => Float32Array.of(i === 0 ? 1e6 : 0, 0));
  const [plot] = pointPlots(many, 1, 1);
  assert(coloured(plot!).some(([x]) => x >= plot!.width - MARGIN - 2));
});

Deno.test("a signal's line passes through all of its values, in a colour for each channel", () => {
  const values = fc.array(coordinate, { minLength: 2, maxLength: 60 });
  fc.assert(fc.property(values, (values) => {
    const [plot] = linePlots([Float32Array.from(values)], 1, 2);
    const places = coloured(plot!);
    values.forEach((value, i) => {
      const x = pixelOf(2 * i / (values.length - 1) - 1, 1, plot!.width);
      const y = pixelOf(-value, 2, plot!.height);
      assert(places.some(([column, row]) => Math.hypot(column - x, row - y) <= 1.2), `value ${i}`);
    });
  }));
  const [plot] = linePlots([Float32Array.of(1, -1, 1, -1)], 2, 2);
  const at = (row: number) => [...plot!.data.subarray((row * plot!.width + 60) * 3, (row * plot!.width + 60) * 3 + 3)];
  const [top, bottom] = [-1, 1].map((y) => at(Math.round(pixelOf(y, 2, plot!.height))));
  assert(top![2]! > top![0]! + 50, `blue: ${top}`);
  assert(bottom![0]! > bottom![2]! + 50, `vermillion: ${bottom}`);
});

Deno.test("a picture of points has a plot for each column, and one of signals a plot for each signal", () => {
  const normalizer: Normalizer = { how: "moments", scale: [2], shift: [0] };
  const form = { dtype: "float32", normalizer } as const;
  const points = Array.from({ length: 10 }, (_, i) => Float32Array.of(i, -i));
  const sizeOf = (png: Uint8Array) => {
    const { width, height } = decodePng(png);
    return [width, height];
  };
  const size = { height: 1, width: 1, channels: 2 };
  // Squares of 384 pixels alone and of 192 among others; 2 pixels around each.
  assertEquals(sizeOf(gridPng(points, size, form)), [388, 388]);
  assertEquals(sizeOf(gridPng(points, { ...size, columns: 5 }, form)), [5 * 194 + 2, 196]);
  const signals = Array.from({ length: 5 }, () => new Float32Array(200));
  assertEquals(sizeOf(gridPng(signals, { height: 1, width: 200, channels: 1 }, form)), [608, 166]);
  assertEquals(gridPng(points, size, form), gridPng(points, size, form));
});

Deno.test("a long signal of many channels is drawn by few of its numbers, and its first channels as those alone", () => {
  const form = { dtype: "float32", normalizer: { how: "moments", scale: [1, 2, 3], shift: [0, 0, 0] } } as const;
  const [length, channels] = [1 << 20, 3];
  const long = Float32Array.from({ length: length * channels }, (_, at) => Math.sin(Math.floor(at / channels) / 1e5));
  const step = length / 2048;
  const short = long.filter((_, at) => Math.floor(at / channels) % step === 0);
  const picture = (signal: Float32Array<ArrayBuffer>, width: number) =>
    gridPng([signal], { height: 1, width, channels }, form);
  assertEquals(picture(long, length), picture(short, 2048));
  const alone = { ...form, normalizer: { how: "moments", scale: [2], shift: [0] } } as const;
  const wide = Float32Array.from({ length: 10 * 9 }, (_, at) => Math.floor(at / 9) / 10);
  const six = wide.filter((_, at) => at % 9 < 6);
  const size = { height: 1, width: 10 };
  assertEquals(gridPng([wide], { ...size, channels: 9 }, alone), gridPng([six], { ...size, channels: 6 }, alone));
});

Deno.test("colours with alpha are pictured as such in 8 and 16 bits, and four other channels side by side", () => {
  const size = { height: 2, width: 2, channels: 4 };
  const picture = (pixel: Uint8Array | Uint16Array | Float32Array, form: ValueForm) => {
    const image = new (pixel.constructor as Uint8ArrayConstructor)(16);
    for (let at = 0; at < 16; at += 4) image.set(pixel, at);
    const { channels, width, data } = decodePng(gridPng([image], size, form));
    const inside = 3 * width + 3;
    return [channels, ...data.subarray(inside * channels, (inside + 1) * channels)];
  };
  assertEquals(picture(Uint8Array.of(255, 0, 51, 128), formOf({})), [4, 255, 0, 51, 128]);
  const deep = Uint16Array.of(65_535, 0, 51 * 257, 128 * 257);
  assertEquals(picture(deep, formOf({ dtype: "uint16" })), [4, 255, 0, 51, 128]);
  const normalizer = rangeNormalizer(0, 1);
  assertEquals(picture(Float32Array.of(1, 0, 0.2, 0.5), formOf({ dtype: "float32", normalizer })), [1, 255]);
});
