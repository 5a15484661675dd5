import { datasetParams } from "../../schemas/kinds/dataset.ts";
import { type CheckProblem, defineKind } from "../contract.ts";
import { MNIST_CLASSES, MNIST_COUNT, MNIST_PACKAGE } from "./mnist_facts.ts";

export const datasetKind = defineKind({
  kind: "dataset",
  version: 1,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Images from a package, in an order that mixes the classes, split into train and test",
  params: datasetParams,
  inputs: {},
  outputs: {
    train: { type: "images", description: "Images to learn from" },
    test: { type: "images", description: "Images held out, the same for every seed" },
  },
  externals: () => [MNIST_PACKAGE],
  check({ size, testCount, limit }) {
    const total = Math.min(limit ?? MNIST_COUNT, MNIST_COUNT);
    const image = { height: size, width: size, channels: 1, classes: MNIST_CLASSES };
    const problems: CheckProblem[] = [];
    if (testCount >= total) {
      problems.push({
        severity: "error",
        param: ["testCount"],
        message: "the test split leaves no images to train on",
        got: `testCount ${testCount} of ${total} images`,
        wanted: `testCount at most ${total - 1}`,
        fix: limit === undefined ? "lower testCount" : "lower testCount or raise limit",
      });
    }
    return {
      problems,
      facts: { train: { count: Math.max(1, total - testCount), ...image }, test: { count: testCount, ...image } },
    };
  },
});
