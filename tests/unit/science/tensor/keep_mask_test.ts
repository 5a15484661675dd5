import * as tf from "@tensorflow/tfjs-core";
import { assert, assertEquals } from "@std/assert";
import { openEagerDevice } from "../../../../science/tensor/eager_device.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import { counterWords } from "../../../../science/tensor/random/counter_words.ts";
import {
  keepMask,
  type KeepMaskOptions,
  keepRule,
  registerHostKeepMask,
} from "../../../../science/tensor/random/keep_mask.ts";
import { assertParity, int32, withGradients } from "../../../support/tensors.ts";

registerHostKeepMask("cpu");
await tf.setBackend("cpu");

const KEYS = [[0, 0], [123456789, 2 ** 31 - 1], [-1, -(2 ** 31)]] as const;

function maskOf(key: readonly number[], shape: number[], options: KeepMaskOptions) {
  return tf.tidy(() => Float32Array.from(keepMask(tf.tensor1d([...key], "int32"), shape, options).dataSync()));
}

Deno.test("counterWords() gives the words of the first version", () => {
  // Recomputed with Python integers from the formulas; a change here breaks every run with dropout.
  const first = [
    575056808,
    4171000546,
    3396936432,
    3071797096,
    256906856,
    3835595864,
    3236100066,
    1677410930,
  ];
  assertEquals([...counterWords({ images: 2, size: 4 }, KEYS[1], 5)], first);
  const second = [
    200463812,
    1872757026,
    3359057292,
    4202989656,
    3794683228,
    1266564886,
    1203976054,
    1510532802,
  ];
  assertEquals([...counterWords({ images: 2, size: 4 }, KEYS[2], 65535)], second);
});

Deno.test("counterWords() does not depend on how many images or positions there are", () => {
  const whole = counterWords({ images: 5, size: 300 }, KEYS[1], 3);
  const part = counterWords({ images: 2, size: 300 }, KEYS[1], 3);
  assertEquals(part, whole.slice(0, 600));
  const narrow = counterWords({ images: 1, size: 7 }, KEYS[1], 3);
  assertEquals(narrow, whole.slice(0, 7));
});

Deno.test("keepRule() scales by the share of words that it really keeps", () => {
  for (const rate of [0, 1e-12, 0.1, 0.5, 0.999999, 1 - 1e-12]) {
    const { threshold, scale } = keepRule(rate);
    assert(Number.isInteger(threshold) && threshold >= 0 && threshold < 2 ** 32);
    assert(Math.abs((1 - threshold * 2 ** -32) * scale - 1) < 1e-7);
  }
  assertEquals(keepRule(0), { threshold: 0, scale: 1 });
  assertEquals(keepRule(0.5), { threshold: 2 ** 31, scale: 2 });
});

const SHAPES = [[3, 4, 5, 6], [1, 7], [5], [2, 1, 300]];

Deno.test("keepMask() has the same bits on device onnx, one or two threads, as on the host", async () => {
  for (const threads of [1, 2]) {
    const device = await openOnnxDevice({ threads });
    for (const shape of SHAPES) {
      for (const options of [{ site: 0, rate: 0.1 }, { site: 65535, rate: 0.75 }, { site: 1, rate: 0 }]) {
        const compiled = await device.compile(({ key }) => ({ mask: keepMask(key!, shape, options) }), {
          key: int32(2),
        });
        for (const key of KEYS) {
          const { mask } = await compiled.run({ key: Int32Array.from(key) });
          assertEquals(mask, maskOf(key, shape, options));
        }
        await compiled.dispose();
      }
    }
    await device.dispose();
  }
});

Deno.test("keepMask() works on an eager device as opened", async () => {
  const device = await openEagerDevice({ name: "test", numerics: "test", backend: "cpu" });
  const options = { site: 4, rate: 0.3 };
  const compiled = await device.compile(({ key }) => ({ mask: keepMask(key!, [2, 9], options) }), { key: int32(2) });
  const { mask } = await compiled.run({ key: Int32Array.from(KEYS[1]) });
  assertEquals(mask, maskOf(KEYS[1], [2, 9], options));
  await device.dispose();
});

Deno.test("keepMask() is a constant to autodiff", async () => {
  const device = await openOnnxDevice({ threads: 2 });
  const fn = withGradients(({ x, key }) => tf.square(tf.mul(x!, keepMask(key!, [3, 40], { site: 2, rate: 0.4 }))));
  const inputs = { x: { shape: [3, 40], dtype: "float32" }, key: int32(2) } as const;
  const x = Float32Array.from({ length: 120 }, (_, i) => Math.sin(i));
  await assertParity(fn, inputs, { x, key: Int32Array.from(KEYS[1]) }, { device, tolerance: 1e-6 });
  await device.dispose();
});

/** Returns the standard score of a chi-square statistic for equal counts. */
function chiSquareScore(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  const freedom = counts.length - 1;
  return (statistic - freedom) / Math.sqrt(2 * freedom);
}

/** Returns the score of the joint distribution of the upper `bits` bits of the words of each tuple. */
function jointScore(tuples: Iterable<readonly number[]>, bits: number, width: number): number {
  const counts = new Array<number>(2 ** (bits * width)).fill(0);
  for (const tuple of tuples) {
    counts[tuple.reduce((index, word) => index * 2 ** bits + (word >>> (32 - bits)), 0)]!++;
  }
  return chiSquareScore(counts);
}

// About 220 fixed scores below: a normal deviate is beyond 4.5 once in 150,000, and a hash that consists only of sums,
// shifts and constant factors is beyond 1000.
const BAND = 4.5;
const GRID = { images: 16, size: 2 ** 14 };

Deno.test("words are uniform, bit by bit, for random keys and for small ones", () => {
  for (const key of [...KEYS, [1, 0], [0, 1], [-987654321, 55]]) {
    const words = counterWords(GRID, key, 3);
    const ones = new Array<number>(32).fill(0);
    for (const word of words) for (let bit = 1; bit < 32; bit++) ones[bit]! += (word >>> bit) & 1;
    for (let bit = 1; bit < 32; bit++) {
      const score = (ones[bit]! - words.length / 2) / Math.sqrt(words.length / 4);
      assert(Math.abs(score) < BAND, `key ${key}, bit ${bit}: score ${score}`);
    }
    assert(words.every((word) => word % 2 === 0));
  }
});

Deno.test("words of neighbours, images, sites and steps are independent", () => {
  const { images, size } = GRID;
  for (const key of KEYS) {
    const words = counterWords(GRID, key, 3);
    const others: Record<string, Uint32Array> = {
      "next site": counterWords(GRID, key, 4),
      "next step by word 0": counterWords(GRID, [key[0] + 1, key[1]], 3),
      "next step by word 1": counterWords(GRID, [key[0], key[1] + 1], 3),
    };
    // Neighbours in a row of 32x32 pixels and 16 channels: channel, pixel, line; then the same place of the next image.
    for (const distance of [1, 2, 16, 512, size]) {
      others[`distance ${distance}`] = words.map((_, i) => words[(i + distance) % words.length]!);
    }
    for (const [name, other] of Object.entries(others)) {
      const score = jointScore(Array.from(words, (word, i) => [word, other[i]!]), 4, 2);
      assert(Math.abs(score) < BAND, `key ${key}, ${name}: score ${score}`);
    }
    // Positions and images are mixed separately and added, so rectangles are where structure would show.
    for (const distance of [1, 16, 512]) {
      const rectangles = Array.from({ length: images / 2 * (size - distance) }, (_, index) => {
        const at = 2 * size * Math.floor(index / (size - distance)) + index % (size - distance);
        return [words[at]!, words[at + distance]!, words[at + size]!, words[at + size + distance]!];
      });
      const score = jointScore(rectangles, 2, 4);
      assert(Math.abs(score) < BAND, `key ${key}, rectangles of ${distance}: score ${score}`);
    }
  }
});

Deno.test("masks have mean 1 and the variance of dropout", () => {
  for (const [site, rate] of [0.1, 0.3, 0.9].entries()) {
    const mask = maskOf(KEYS[1], [16, 32, 32, 16], { site, rate });
    const zeros = mask.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
    const score = (zeros - mask.length * rate) / Math.sqrt(mask.length * rate * (1 - rate));
    assert(Math.abs(score) < BAND, `rate ${rate}: score ${score}`);
    const mean = mask.reduce((sum, value) => sum + value, 0) / mask.length;
    const variance = mask.reduce((sum, value) => sum + (value - mean) ** 2, 0) / mask.length;
    // The variance of one element is rate / (1 - rate); that of the mean is 1 / 2^18 of it.
    const deviation = Math.sqrt(rate / (1 - rate));
    assert(Math.abs(mean - 1) < BAND * deviation / 512, `rate ${rate}: mean ${mean}`);
    assert(Math.abs(variance / deviation ** 2 - 1) < 0.03, `rate ${rate}: variance ${variance}`);
  }
});
