import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { philoxWords } from "../../../../science/tensor/random/philox.ts";
import type { PhiloxCounter, PhiloxKey } from "../../../../science/tensor/random/philox.ts";
import { fillNormals } from "../../../../science/tensor/random/normal.ts";
import { randomStream } from "../../../../science/tensor/random/stream.ts";

const noise = randomStream({ seed: 7, stream: "test/noise" });

function philox4x32(counter: PhiloxCounter, key: PhiloxKey): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(4);
  philoxWords(counter, key, words, 4);
  return words;
}

/** Random123 1.14, tests/kat_vectors: "philox4x32 10". */
const KNOWN_ANSWERS: readonly [PhiloxCounter, PhiloxKey, number[]][] = [
  [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

Deno.test("philoxWords() gives the published answers", () => {
  for (const [counter, key, words] of KNOWN_ANSWERS) assertEquals([...philox4x32(counter, key)], words);
});

Deno.test("philoxWords() carries into the second word when the first overflows", () => {
  const words = new Uint32Array(8);
  philoxWords([0xffffffff, 5, 1, 2], [3, 4], words, 8);
  assertEquals(words.subarray(4), philox4x32([0, 6, 1, 2], [3, 4]));
});

Deno.test("fillNormals() agrees with Math.log, Math.cos and Math.sin", () => {
  const edges = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 0x20000000, 0x60000000, 0xa0000000, 0xe0000000];
  const words = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  fc.assert(fc.property(words, words, (radiusWord, angleWord) => {
    const pair = new Float32Array(2);
    fillNormals(Uint32Array.of(radiusWord, angleWord), pair, 0, 2);
    const radius = Math.sqrt(-2 * Math.log1p((radiusWord - (2 ** 32 - 1)) / 2 ** 32));
    const angle = 2 * Math.PI * angleWord / 2 ** 32;
    // Half a unit of float32 (6e-8 relative), at most 7 in size.
    assert(Math.abs(pair[0]! - radius * Math.cos(angle)) <= 6e-8 * radius);
    assert(Math.abs(pair[1]! - radius * Math.sin(angle)) <= 6e-8 * radius);
  }));
});

Deno.test("normal() is a pure function of seed, stream, step and index", () => {
  const again = randomStream({ seed: 7, stream: "test/noise" });
  const other = noise.normal(1, 64);
  assertEquals(again.normal(3, 64), noise.normal(3, 64));
  const out = new Float32Array(64);
  assert(noise.normal(1, out) === out);
  assertEquals(out, other);
});

Deno.test("draws have the values of the first version", () => {
  // Recomputed with Python integers, hashlib and math; a change here breaks the reproducibility of every published run.
  const normals = [-2.1946914196014404, 0.3665374219417572, 0.7857231497764587, 0.10822466760873795];
  assertEquals([...noise.normal(2 ** 40 + 1, 4)], normals);
  assertEquals([...noise.integers(0, 6, 1000)], [28, 338, 795, 248, 411, 765]);
  assertEquals([...noise.permutation(0, 8)], [4, 3, 7, 0, 5, 2, 1, 6]);
});

Deno.test("draws with an offset are slices of the whole draw", () => {
  const whole = {
    normal: noise.normal(5, 9000),
    uniform: noise.uniform(5, 9000),
    integers: noise.integers(5, 9000, 10),
  };
  const range = fc.tuple(fc.nat(8990), fc.nat(9000)).filter(([offset, count]) => offset + count <= 9000);
  fc.assert(fc.property(range, ([offset, count]) => {
    const end = offset + count;
    assertEquals(noise.normal(5, count, { offset }), whole.normal.slice(offset, end));
    assertEquals(noise.uniform(5, count, { offset }), whole.uniform.slice(offset, end));
    assertEquals(noise.integers(5, count, 10, { offset }), whole.integers.slice(offset, end));
  }));
});

Deno.test("draws differ when seed, stream, step or kind differ", () => {
  const draws = [
    noise.normal(0, 8),
    noise.normal(1, 8),
    noise.normal(2 ** 32, 8),
    noise.normal(2 ** 52, 8),
    noise.normal(0, 8, { offset: 2 ** 34 }),
    randomStream({ seed: 0, stream: "test/noise" }).normal(0, 8),
    randomStream({ seed: 7, stream: "test/nois" }).normal(0, 8),
  ];
  for (const [i, a] of draws.entries()) for (const b of draws.slice(i + 1)) assertNotEquals(a, b);
  const words = noise.uniform(0, 8).map((u) => Math.floor(u * 1000));
  assertNotEquals([...noise.integers(0, 8, 1000)], [...words]);
});

Deno.test("normal() has the moments and bands of a standard normal", () => {
  const count = 1_000_000;
  const sample = randomStream({ seed: 0, stream: "test/moments" }).normal(0, count);
  const moment = (power: number) => sample.reduce((sum, z) => sum + z ** power, 0) / count;
  // Five standard errors of each moment: sqrt(var(z^p) / count), var = 1, 2, 15, 96.
  assertWithin(moment(1), 0, 5 * Math.sqrt(1 / count));
  assertWithin(moment(2), 1, 5 * Math.sqrt(2 / count));
  assertWithin(moment(3), 0, 5 * Math.sqrt(15 / count));
  assertWithin(moment(4), 3, 5 * Math.sqrt(96 / count));
  // P(|z| < k), from erf(k / sqrt 2); five binomial standard errors.
  for (const [k, probability] of [[1, 0.6826894921], [2, 0.9544997361], [3, 0.9973002039]] as const) {
    const share = sample.reduce((inside, z) => inside + (Math.abs(z) < k ? 1 : 0), 0) / count;
    assertWithin(share, probability, 5 * Math.sqrt(probability * (1 - probability) / count));
  }
  // The two halves of a Box-Muller pair, and neighbouring pairs, are uncorrelated.
  for (const lag of [1, 2, 4]) {
    let product = 0;
    for (let i = 0; i + lag < count; i++) product += sample[i]! * sample[i + lag]!;
    assertWithin(product / count, 0, 5 / Math.sqrt(count));
  }
});

Deno.test("uniform() lies in [0, 1) and fills it evenly", () => {
  const sample = noise.uniform(0, 100_000);
  assert(sample.every((u) => u >= 0 && u < 1));
  const counts = new Array<number>(10).fill(0);
  for (const u of sample) counts[Math.floor(u * 10)]!++;
  // Chi-squared with 9 degrees of freedom exceeds 33.7 with probability 1e-4.
  assert(counts.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0) < 33.7);
});

Deno.test("integers() lies in [0, bound) for any bound", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(), (bound, step) => {
    assert(noise.integers(step, 20, bound).every((value) => value >= 0 && value < bound));
  }));
});

Deno.test("permutation() holds every index once", () => {
  fc.assert(fc.property(fc.nat(300), fc.nat(), (count, step) => {
    const sorted = noise.permutation(step, count).toSorted();
    assertEquals([...sorted], Array.from({ length: count }, (_, index) => index));
  }));
});

Deno.test("permutation() gives every order of three equally often", () => {
  const counts = new Map<string, number>();
  for (let step = 0; step < 6000; step++) {
    const order = noise.permutation(step, 3).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(counts.size, 6);
  // Chi-squared with 5 degrees of freedom exceeds 25.7 with probability 1e-4.
  assert([...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0) < 25.7);
});

Deno.test("randomStream() rejects what is not an index", () => {
  assertThrows(
    () => randomStream({ seed: -1, stream: "a" }),
    RangeError,
    "seed must be an integer in [0, 2^53): got -1",
  );
  assertThrows(() => noise.normal(0.5, 4), RangeError, "step");
  assertThrows(() => noise.normal(0, 4, { offset: NaN }), RangeError, "offset");
  assertThrows(() => noise.integers(0, 4, 0), RangeError, "bound must be an integer in [1, 2^31]: got 0");
});

function assertWithin(got: number, wanted: number, tolerance: number): void {
  assert(Math.abs(got - wanted) <= tolerance, `got ${got}, wanted ${wanted} within ${tolerance}`);
}
