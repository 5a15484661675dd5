import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fitImage } from "../../../stages/dataset/fit.ts";
import { cropCentre, flatten } from "../../../stages/dataset/pixels.ts";
import { splitByHash } from "../../../stages/dataset/split.ts";

const SIDE = 12;
/** Level (37 x + 11 y + 53 c) mod 256 at column x, row y, channel c. */
const PATTERN = {
  width: SIDE,
  height: SIDE,
  channels: 3,
  data: Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE), i % 3];
    return (37 * x + 11 * y + 53 * c) % 256;
  }),
};

/** Pillow 12: pixels (0, 0), (s // 2, s // 2) and (s - 1, s - 1) of `Image.fromarray(a).resize((s, s), BILINEAR)`. */
const PILLOW: readonly { side: number; pixels: readonly number[]; sum: number }[] = [
  { side: 5, pixels: [44, 97, 150, 123, 68, 115, 162, 88, 79], sum: 9_856 },
  { side: 8, pixels: [18, 71, 124, 62, 95, 148, 94, 51, 104], sum: 25_095 },
  { side: 17, pixels: [0, 53, 106, 137, 62, 115, 16, 69, 122], sum: 112_955 },
];

Deno.test("fitImage() is Pillow's bilinear filter, larger and smaller", () => {
  for (const { side, pixels, sum } of PILLOW) {
    const { data } = fitImage(PATTERN, { channels: 3, size: [side, side] });
    const at = (place: number) => [...data.subarray((place * side + place) * 3, (place * side + place) * 3 + 3)];
    const got = [0, Math.floor(side / 2), side - 1].flatMap(at);
    // Pillow also rounds between the two axes: one level.
    assert(got.every((level, i) => Math.abs(level - pixels[i]!) <= 1), `side ${side}: ${got}, wanted ${pixels}`);
    const total = [...data].reduce((all, level) => all + level, 0);
    assert(Math.abs(total - sum) / data.length < 0.1, `side ${side}: sum ${total}, wanted ${sum}`);
  }
});

Deno.test("fitImage() keeps flat images flat, up to white", () => {
  for (const level of [0, 1, 254, 255]) {
    const flat = { width: 7, height: 7, channels: 1, data: new Uint8Array(49).fill(level) };
    for (const side of [4, 5, 7, 13, 64]) {
      assert([...fitImage(flat, { channels: 1, size: [side, side] }).data].every((value) => value === level));
    }
  }
});

Deno.test("cropCentre() takes the middle of wide and of high images", () => {
  const wide = { width: 5, height: 2, channels: 1, data: Uint8Array.of(0, 1, 2, 3, 4, 10, 11, 12, 13, 14) };
  assertEquals(cropCentre(wide, [2, 2]), { width: 2, height: 2, channels: 1, data: Uint8Array.of(1, 2, 11, 12) });
  const high = { width: 1, height: 4, channels: 3, data: Uint8Array.from({ length: 12 }, (_, i) => i) };
  assertEquals(cropCentre(high, [1, 1]), { width: 1, height: 1, channels: 3, data: Uint8Array.of(3, 4, 5) });
});

Deno.test("flatten() lays alpha on white and turns grey into colour and back", () => {
  const image = (channels: number, ...data: number[]) => ({
    width: data.length / channels,
    height: 1,
    channels,
    data: Uint8Array.from(data),
  });
  assertEquals([...flatten(image(4, 10, 20, 30, 255, 10, 20, 30, 0), 3).data], [10, 20, 30, 255, 255, 255]);
  // (128 * 10 + 127 * 255) / 255 = 132.02, (128 * 20 + 127 * 255) / 255 = 137.04
  assertEquals([...flatten(image(4, 10, 20, 30, 128), 3).data], [132, 137, 142]);
  assertEquals([...flatten(image(2, 100, 0, 100, 255), 3).data], [255, 255, 255, 100, 100, 100]);
  assertEquals([...flatten(image(2, 100, 51), 1).data], [224]);
  // 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1; ITU-R BT.601.
  assertEquals([...flatten(image(3, 255, 0, 0, 0, 255, 0, 0, 0, 255), 1).data], [76, 150, 29]);
  assertEquals([...flatten(image(1, 0, 77, 255), 3).data], [0, 0, 0, 77, 77, 77, 255, 255, 255]);
});

Deno.test("splitByHash() leaves items where they are when others come, and does not see order or limit", () => {
  const names = Array.from({ length: 200 }, (_, i) => `image-${i}.png`);
  const pick = (all: readonly string[], options: { testCount: number; limit?: number }) => {
    const { train, test } = splitByHash(all, options);
    return { train: train.map((i) => all[i]!), test: test.map((i) => all[i]!) };
  };
  const whole = pick(names, { testCount: 20 });
  assertEquals([whole.train.length, whole.test.length], [180, 20]);
  assertEquals(new Set([...whole.train, ...whole.test]).size, 200);
  assertEquals(pick([...names].reverse(), { testCount: 20 }), whole);
  const few = pick(names, { testCount: 20, limit: 50 });
  assertEquals([few.test, few.train], [whole.test, whole.train.slice(0, 30)]);
  const more = pick([...names, "another.png"], { testCount: 20 });
  assert(whole.train.filter((name) => more.test.includes(name)).length === 0);
  assert(whole.test.filter((name) => !more.test.includes(name)).length <= 1);
});

Deno.test("area is the exact average of the covered pixels, rounded once, half up", () => {
  fc.assert(fc.property(
    fc.tuple(
      fc.integer({ min: 1, max: 13 }),
      fc.integer({ min: 1, max: 13 }),
      fc.integer({ min: 1, max: 13 }),
      fc.integer({ min: 1, max: 13 }),
    ),
    fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 169, maxLength: 169 }),
    ([height, width, rows, columns], levels) => {
      const image = { height, width, channels: 1, data: Uint8Array.from(levels.slice(0, height * width)) };
      const options = { channels: 1, size: [rows, columns], resize: { name: "area", fit: "stretch" } } as const;
      const { data } = fitImage(image, options);
      // Lengths in units in which pixels of both grids are integers.
      const covered = (new_: number, old: number, to: number, from: number) =>
        Math.max(0, Math.min((new_ + 1) * from, (old + 1) * to) - Math.max(new_ * from, old * to));
      const wanted = Array.from({ length: rows * columns }, (_, at) => {
        let sum = 0;
        image.data.forEach((level, i) => {
          const down = covered(Math.floor(at / columns), Math.floor(i / width), rows, height);
          sum += down * covered(at % columns, i % width, columns, width) * level;
        });
        return Math.floor((2 * sum + height * width) / (2 * height * width));
      });
      assertEquals([...data], wanted);
    },
  ));
});
