import { assert, assertEquals } from "@std/assert";
import type { DeepImage } from "../../../science/formats/byte_image.ts";
import { fitImage } from "../../../stages/dataset/fit.ts";
import type { ResizeName } from "../../../stages/dataset/params.ts";
import resized from "../../golden/resized_pillow.json" with { type: "json" };

/** Made by Pillow 13: dev/data/make_resize_fixtures.py, which has the same pattern. */
function pattern([height, width, channels]: readonly number[], depth: number): DeepImage {
  const levels = Array.from({ length: height! * width! * channels! }, (_, i) => {
    const [x, y, c] = [Math.floor(i / channels!) % width!, Math.floor(i / channels! / width!), i % channels!];
    return (37 * x + 11 * y + 53 * c) ** 2 % 2 ** depth;
  });
  const data = depth === 8 ? Uint8Array.from(levels) : Uint16Array.from(levels);
  return { height: height!, width: width!, channels: channels!, data };
}

Deno.test("fitImage() resizes as Pillow does, channel by channel, in 8 and 16 bits", () => {
  for (const { name, from, depth, size, levels } of resized) {
    const bytes = Uint8Array.fromBase64(levels);
    const wanted = depth === 8 ? bytes : new Uint16Array(bytes.buffer);
    const [height, width] = size as [number, number];
    const resize = { name: name as ResizeName, fit: "stretch" } as const;
    const got = fitImage(pattern(from, depth), { channels: from[2]!, size: [height, width], resize });
    assertEquals([got.height, got.width, got.channels], [height, width, from[2]]);
    const farthest = [...got.data].reduce((most, level, i) => Math.max(most, Math.abs(level - wanted[i]!)), 0);
    assert(farthest <= 1, `${name}, ${from} of ${depth} bits to ${size}: ${farthest}`);
  }
});

Deno.test("fitImage() crops to the shape that is wanted, stretches, or puts zeros around", () => {
  const image = (rows: readonly (readonly number[])[]): DeepImage => ({
    height: rows.length,
    width: rows[0]!.length,
    channels: 1,
    data: Uint8Array.from(rows.flat()),
  });
  const wide = image([[1, 1, 5, 5, 9, 9], [1, 1, 5, 5, 9, 9]]);
  const fitted = (size: readonly [number, number], fit: "crop" | "stretch" | "pad") => {
    return [...fitImage(wide, { channels: 1, size, resize: { name: "area", fit } }).data];
  };
  assertEquals(fitted([1, 1], "crop"), [5]);
  assertEquals(fitted([1, 2], "crop"), [3, 7]);
  assertEquals(fitted([1, 3], "stretch"), [1, 5, 9]);
  assertEquals(fitted([2, 2], "stretch"), [2, 8, 2, 8]);
  assertEquals(fitted([3, 3], "pad"), [0, 0, 0, 1, 5, 9, 0, 0, 0]);
  assertEquals(fitImage(wide, { channels: 1 }), wide);
  assertEquals(fitImage(wide, { channels: 1, size: [2, 6] }), wide);
});

Deno.test("flattening keeps alpha where two or four channels are wanted", () => {
  const clear = { width: 1, height: 1, channels: 4, data: Uint16Array.of(1000, 2000, 3000, 0x8000) };
  assertEquals([...fitImage(clear, { channels: 4 }).data], [1000, 2000, 3000, 0x8000]);
  // 299 * 1 + 587 * 2 + 114 * 3 = 1815
  assertEquals([...fitImage(clear, { channels: 2 }).data], [1815, 0x8000]);
  // (32768 * 1000 + 32767 * 65535) / 65535 = 33267.0
  assertEquals([...fitImage(clear, { channels: 3 }).data], [33_267, 33_767, 34_267]);
  const grey = { width: 1, height: 1, channels: 1, data: Uint16Array.of(7) };
  assertEquals([...fitImage(grey, { channels: 4 }).data], [7, 7, 7, 65_535]);
});
