import { tryDevice } from "../../../engine/process/device_trial.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { decodeNpy } from "../../../science/formats/npy.ts";
import { decodeNpz, encodeNpz } from "../../../science/formats/npz.ts";
import type { Metric, Metrics } from "../../../artifacts/metrics.ts";
import { classifierKind, featuresKind, scoreKind, statisticsKind } from "../../support/builtin_kinds.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { openFeatures } from "../../../artifacts/features.ts";
import { readImages } from "../../../artifacts/images.ts";
import { onnxNumerics } from "../../../science/tensor/onnx/describe.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { tinyGraph } from "../../support/tiny_graph.ts";
import { assertAllClose, assertClose } from "../science/diffusion/assert_close.ts";
import { smallImages, withFolder } from "./small_world.ts";

const TRAIN = { base: 4, steps: 60, batchSize: 16, learningRate: 1e-2 };

async function featuresOf(folder: string, images: InputArtifact, params = {}, more = {}): Promise<InputArtifact> {
  const inputs = { images, ...more };
  const { end, outputs } = await runStage(folder, featuresKind, { params: { extractor: "pixels", ...params }, inputs });
  assertEquals(end, undefined);
  return outputs["features"]!;
}

async function metricsOf({ end, outputs }: StageOutcome): Promise<Metrics> {
  assertEquals(end, undefined);
  return JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
}

async function score(folder: string, real: InputArtifact, fake: InputArtifact, params = {}): Promise<Metric[]> {
  return (await metricsOf(await runStage(folder, scoreKind, { params, inputs: { real, fake } }))).metrics;
}

async function failure(outcome: Promise<StageOutcome>): Promise<string> {
  const { end } = await outcome;
  assert(end?.status === "failed", JSON.stringify(end));
  return `${end.message}. ${end.fix}`;
}

Deno.test("classifier learns, says how well on held-out images, and goes on after a stop to the same bytes", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 260, testCount: 60 });
    const learn = (options = {}, params = {}) =>
      runStage(folder, classifierKind, {
        params: { ...TRAIN, ...params },
        inputs: { images: train, test },
        ...options,
      });
    const straight = await learn();
    const [accuracy] = (await metricsOf(straight)).metrics;
    // With ten classes, guessing gets 0.1.
    assert(accuracy!.value > 0.5, `${accuracy!.value}`);
    assertEquals([accuracy!.name, accuracy!.count], ["accuracy", 60]);

    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    const onReport = ({ done }: { done: number }) => done === 25 && stop.abort();
    assertEquals((await learn({ progress, stop: stop.signal, onReport })).end, { status: "interrupted", step: 25 });
    assertEquals(digests(await learn({ progress })), digests(straight));

    const classifier = straight.outputs["classifier"]!;
    const features = await featuresOf(folder, test, { extractor: "classifier", batchSize: 7 }, { classifier });
    using opened = await openFeatures(features);
    const { info, logits, labels } = opened;
    assertEquals([info.extractor.name, info.extractor.dimension, info.logits, info.count], ["classifier", 16, 10, 60]);
    const answers = Array.from(labels!, (_, i) => {
      const row = logits!.subarray(10 * i, 10 * i + 10);
      return row.indexOf(Math.max(...row));
    });
    assertClose(answers.filter((answer, i) => answer === labels![i]).length / 60, accuracy!.value, { abs: 1e-12 });
    const metrics = await score(folder, features, features, { inceptionScore: { splits: 2 }, perClass: true });
    assertEquals(metrics.slice(0, 2).map(({ name }) => name), ["FD-classifier", "IS-classifier"]);
    assertEquals(metrics.filter(({ label }) => label !== undefined).length >= 5, true);
  });
});

Deno.test("features do not depend on the batches, and are read back row by row", async () => {
  await withFolder(async (folder) => {
    const { train } = await smallImages(folder, { limit: 60, testCount: 10 });
    const path = join(folder, "my-net.onnx");
    await Deno.writeFile(path, tinyGraph());
    for (const params of [{}, { extractor: "onnx", path, preprocess: { size: 8 } }]) {
      const [whole, parts] = [
        await featuresOf(folder, train, { ...params, batchSize: 50 }),
        await featuresOf(folder, train, { ...params, batchSize: 7 }),
      ];
      const [a, b] = [whole, parts].map((artifact) => artifact.read("features.npy"));
      const [first, second] = [decodeNpy(await a!), decodeNpy(await b!)];
      assertEquals(first.shape, second.shape);
      // Batches of other sizes are summed in another order, float32.
      assertAllClose(first.data, second.data, { abs: 1e-5 });
      using opened = await openFeatures(whole);
      const [, width] = first.shape as [number, number];
      const rows = await opened.vectors.rows([3, 4, 5, 0, 49]);
      const wanted = [3, 4, 5, 0, 49].flatMap((i) => [...first.data.subarray(i * width, (i + 1) * width)]);
      assertEquals([...rows], wanted);
    }
  });
});

Deno.test("a graph of somebody else's is run on images as it wants them, and named", async () => {
  await withFolder(async (folder) => {
    const { test } = await smallImages(folder);
    const path = join(folder, "my-net.onnx");
    await Deno.writeFile(path, tinyGraph());
    const params = { extractor: "onnx", path, preprocess: { size: 16, range: [0, 2], deviation: [1, 2, 4] } };
    const features = await featuresOf(folder, test, { ...params, batchSize: 3, logits: "logits" });
    using opened = await openFeatures(features);
    const { info, logits } = opened;
    assertEquals([info.extractor.name, info.extractor.dimension, info.logits], ["my-net", 3, 3]);
    const { data } = decodeNpy(await features.read("features.npy"));
    // Doubling the size without antialiasing keeps the mean of a picture whose border is empty, as that of digits is.
    const { pixels } = await readImages(test);
    const mean = pixels.subarray(0, 64).reduce((sum, byte) => sum + byte, 0) / 64 / 255 * 2;
    assertAllClose(data.subarray(0, 3), [mean, mean / 2, mean / 4], { rel: 0.05 });
    assertAllClose(logits!, data.map((value) => 2 * value), { rel: 1e-6 });

    assertEquals((await score(folder, features, features))[0]!.name, "FD-my-net");
    await Deno.writeFile(path, tinyGraph({ "noiseline.extractor": "inception-2015-12-05" }));
    const claimed = await featuresOf(folder, test, params);
    assertEquals((await score(folder, claimed, claimed))[0]!.name, "FD-my-net");
    // Nor does a file's name make the distance the FID, whoever gives the name.
    const posing = join(folder, "inception-2015-12-05.onnx");
    await Deno.writeFile(posing, tinyGraph());
    const posed = await featuresOf(folder, test, { ...params, path: posing });
    const given = await runStage(folder, statisticsKind, { params: {}, inputs: { features: posed } });
    const file = { path: given.outputs["statistics"]!.path("statistics.npz"), count: 9, resize: "tensorflow" };
    const word = await runStage(folder, statisticsKind, { params: { ...file, extractor: "inception-2015-12-05" } });
    const said = word.outputs["statistics"]!;
    assertEquals((await score(folder, said, said))[0]!.name, "FD-inception-2015-12-05");
    const sets = { real: posed, fake: said };
    const refused = await failure(runStage(folder, scoreKind, { params: {}, inputs: sets }));
    assertStringIncludes(refused, "cannot be compared: got resize tensorflow, wanted unknown");

    const run = (more: Record<string, unknown>) =>
      failure(runStage(folder, featuresKind, { params: { ...params, ...more }, inputs: { images: test } }));
    assertStringIncludes(await run({ output: "pool" }), 'has no output "pool"; it has pooled, logits');
    await Deno.writeFile(path, Uint8Array.of(1, 2, 3));
    assertStringIncludes(await run({}), "cannot use the graph");
  });
});

Deno.test("statistics are those of the features, go through a file of pytorch-fid's form, and score alike", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 240, testCount: 100 });
    const [real, fake] = [await featuresOf(folder, train), await featuresOf(folder, test)];
    const summarise = async (inputs: Record<string, InputArtifact>, params = {}) => {
      const { end, outputs } = await runStage(folder, statisticsKind, { params, inputs });
      assertEquals(end, undefined);
      return outputs["statistics"]!;
    };
    const statistics = await summarise({ features: real });
    const npz = await statistics.read("statistics.npz");
    const [mu, sigma] = [await decodeNpz(npz, "mu", 1e6), await decodeNpz(npz, "sigma", 1e6)];
    assertEquals([mu!.shape, sigma!.shape], [[64], [64, 64]]);
    const given = await summarise({}, { path: statistics.path("statistics.npz"), extractor: "pixels", count: 140 });

    const [value] = (await score(folder, real, fake)).map(({ value }) => value);
    for (const reference of [statistics, given]) {
      assertClose((await score(folder, reference, fake))[0]!.value, value!, { rel: 1e-12 });
    }
    // The images themselves, from which pixel features are computed on the way.
    assertClose((await score(folder, train, test))[0]!.value, value!, { rel: 1e-12 });
    const refused = runStage(folder, scoreKind, { params: { kid: {} }, inputs: { real: statistics, fake } });
    assertStringIncludes(await failure(refused), "kid needs the features of both sets");
  });
});

Deno.test("score gives every figure that is asked for, with what is needed to trust it", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 400, testCount: 150 });
    const [real, fake] = [await featuresOf(folder, train), await featuresOf(folder, test)];
    const params = {
      bootstrap: 20,
      fdInfinity: true,
      kid: { subsets: 5, size: 50 },
      manifold: { neighbours: 3 },
      perClass: true,
    };
    const metrics = await score(folder, real, fake, params);
    const names = metrics.filter(({ label }) => label === undefined).map(({ name }) => name);
    assertEquals(names, [
      "FD-pixels",
      "FD-pixels-infinity",
      "KD-pixels",
      "precision-pixels",
      "recall-pixels",
      "density-pixels",
      "coverage-pixels",
    ]);
    const [fd, infinite, kernel] = metrics as [Metric, Metric, Metric];
    assert(fd.deviation! > 0 && fd.deviation! < fd.value && fd.interval === undefined);
    assertStringIncludes(fd.note!, "the deviation is by 20 divisions of both sets");
    // Two sets of one distribution: they differ only because finite sets do.
    assert(infinite.value < fd.value);
    assert(Math.abs(kernel.value) < 4 * kernel.deviation!);
    assertEquals(await score(folder, real, fake, params), metrics);
    assertEquals((await score(folder, real, real))[0]!.value, 0);
  });
});

Deno.test("score refuses features of two extractors, and figures that the sets cannot give", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 60, testCount: 20 });
    const path = join(folder, "my-net.onnx");
    await Deno.writeFile(path, tinyGraph());
    const [pixels, other] = [
      await featuresOf(folder, train),
      await featuresOf(folder, test, { extractor: "onnx", path, preprocess: { size: 8 } }),
    ];
    const run = (real: InputArtifact, fake: InputArtifact, params = {}) =>
      failure(runStage(folder, scoreKind, { params, inputs: { real, fake } }));
    assertStringIncludes(
      await run(pixels, other),
      "features of different extractors cannot be compared: got my-net, wanted pixels",
    );
    assertStringIncludes(await run(pixels, pixels, { kid: {} }), "got 1000, wanted at most 40");
    assertStringIncludes(await run(pixels, pixels, { inceptionScore: {} }), "needs logits");
    assertStringIncludes(await run(pixels, pixels, { fd: false }), "no score is requested");
    const noClassifier = runStage(folder, featuresKind, { params: {}, inputs: { images: test } });
    assertStringIncludes(await failure(noClassifier), "needs the input of that name");
  });
});

Deno.test("the checks refuse what does not fit before anything runs", () => {
  const size = { height: 8, width: 8, channels: 1, count: 20, classes: null };
  const problems = (kind: typeof featuresKind, params: unknown, inputs = {}) =>
    kind.check!(kind.params.parse(params), { images: size, ...inputs }).problems.map(({ param, input }) =>
      param?.join(".") ?? input
    );
  assertEquals(problems(featuresKind, { extractor: "onnx" }), ["extractor", "extractor"]);
  assertEquals(problems(featuresKind, { extractor: "onnx", url: "https://a/b", preprocess: { size: 8 } }), ["url"]);
  assertEquals(problems(featuresKind, { extractor: "pixels", path: "a", output: "b" }), ["path", "output"]);
  const classifier = { height: 9, width: 8, channels: 1 };
  assertEquals(problems(featuresKind, {}, { classifier }), ["images"]);
  const learn = classifierKind.check!(classifierKind.params.parse({}), { images: size, test: { ...size, height: 9 } });
  assertEquals(learn.problems.map(({ input, param }) => input ?? param?.join(".")), [
    "images",
    "test",
    "batchSize",
    "test",
  ]);
  const file = statisticsKind.check!(statisticsKind.params.parse({ path: "a" }), {});
  assertEquals(file.problems.map(({ param }) => param), [["path"]]);
  const divided = (fake: number) =>
    scoreKind.check!(scoreKind.params.parse({ bootstrap: 2 }), { real: size, fake: { ...size, count: fake } }).problems;
  assertEquals(divided(8), []);
  assertEquals(divided(7).map(({ param, got, wanted }) => [param, got, wanted]), [[["bootstrap"], "7", "at least 8"]]);
});

/** Copies an artifact and applies `change` to one of its files. */
async function altered(artifact: InputArtifact, name: string, change: (bytes: Uint8Array) => Uint8Array) {
  const folder = await Deno.makeTempDir({ dir: join(artifact.path(name), "../..") });
  for (const { path } of artifact.files) await Deno.copyFile(artifact.path(path), join(folder, path));
  await Deno.writeFile(join(folder, name), change(await artifact.read(name)));
  const path = (file: string) => join(folder, file);
  return {
    ...artifact,
    path,
    read: (file: string) => Deno.readFile(path(file)),
    readText: (file: string) => Deno.readTextFile(path(file)),
  };
}

/** Sets the last numbers of a file of float32. */
const ending = (...values: number[]) => (bytes: Uint8Array) => {
  const own = Uint8Array.from(bytes);
  own.set(new Uint8Array(Float32Array.from(values).buffer), own.length - 4 * values.length);
  return own;
};

Deno.test("a number that is not finite fails whoever writes or reads it, with the row and the extractor", async () => {
  await withFolder(async (folder) => {
    const { test } = await smallImages(folder, { limit: 60, testCount: 20 });
    const path = join(folder, "my-net.onnx");
    await Deno.writeFile(path, tinyGraph());
    const params = { extractor: "onnx", path, preprocess: { size: 8, range: [0, 1] }, logits: "logits" };
    const good = await featuresOf(folder, test, params);
    const judge = (fake: InputArtifact, params = {}) =>
      failure(runStage(folder, scoreKind, { params, inputs: { real: good, fake } }));
    for (const value of [NaN, Infinity, -Infinity]) {
      const bad = await altered(good, "features.npy", ending(value, 0));
      const said = `features.npy, row 19, of extractor "my-net": got ${value} in column 1, wanted finite numbers`;
      // Two of twenty rows are sampled: the outcome must not depend on the bad row being among them.
      for (const asked of [{}, { fd: false, kid: { subsets: 1, size: 2 } }, { fd: false, manifold: {} }]) {
        assertStringIncludes(await judge(bad, asked), said);
      }
      const summarised = runStage(folder, statisticsKind, { params: {}, inputs: { features: bad } });
      assertStringIncludes(await failure(summarised), said);
    }
    const unsure = await altered(good, "logits.npy", ending(NaN));
    const score = { fd: false, inceptionScore: { splits: 2 } };
    assertStringIncludes(await judge(unsure, score), 'logits.npy, row 19, of extractor "my-net": got NaN in column 2');

    // The extractor itself makes infinite numbers, by dividing by the smallest number there is.
    const deviation = [5e-324, 1, 1];
    const run = runStage(folder, featuresKind, {
      params: { ...params, preprocess: { ...params.preprocess, deviation } },
      inputs: { images: test },
    });
    assertStringIncludes(await failure(run), 'features.npy, row 0, of extractor "my-net": got Infinity in column 0');

    const { end, outputs } = await runStage(folder, statisticsKind, { params: {}, inputs: { features: good } });
    assertEquals(end, undefined);
    const moments = {
      mu: { shape: [3], data: Float64Array.of(1, NaN, 3) },
      sigma: { shape: [3, 3], data: new Float64Array(9) },
    };
    const broken = await altered(outputs["statistics"]!, "statistics.npz", () => encodeNpz(moments));
    assertStringIncludes(await judge(broken), "statistics, row 1 of mu: got NaN, wanted finite numbers");
    const given = { path: broken.path("statistics.npz"), extractor: "my-net", count: 9 };
    const taken = await failure(runStage(folder, statisticsKind, { params: given, inputs: {} }));
    assertStringIncludes(taken, "row 1 of mu: got NaN");

    for (
      const [sigma, said] of [
        [[1, 0, 0, 0, 1, 0, 0, 0, -1], "row 2 of sigma: got -1, wanted variances of 0 and more"],
        [[1, 5, 0, -5, 1, 0, 0, 0, 1], "row 1 of sigma: got -5, wanted 5, as in row 0"],
        [[1e300, 0, 0, 0, 1, 0, 0, 0, 1], "row 0 of sigma: got 1e+300"],
        [[1, 7, 0, 7, 4, 0, 0, 0, 1], "row 1 of sigma: got 7, wanted at most 2, by the variances of rows 1 and 0"],
      ] as const
    ) {
      const arrays = {
        mu: { shape: [3], data: new Float64Array(3) },
        sigma: { shape: [3, 3], data: Float64Array.from(sigma) },
      };
      assertStringIncludes(
        await judge(await altered(outputs["statistics"]!, "statistics.npz", () => encodeNpz(arrays))),
        said,
      );
    }
  });
});

/** Returns handmade statistics of this many features. */
function npz(means: number, { rows = means, sigma = (_i: number, _j: number): number => 0 } = {}) {
  const data = Float64Array.from({ length: rows * rows }, (_, k) => sigma(Math.floor(k / rows), k % rows));
  return encodeNpz({ mu: { shape: [means], data: new Float64Array(means) }, sigma: { shape: [rows, rows], data } });
}

Deno.test("statistics by hand are those that were planned, of a size that can be, and a covariance", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "given.npz");
    const given = { path, extractor: "mine", count: 9 };
    const take = async (bytes: Uint8Array, options = {}) => {
      await Deno.writeFile(path, bytes);
      return await runStage(folder, statisticsKind, { params: given, ...options });
    };
    const changed = take(npz(2), { externals: { path: "0".repeat(64) } });
    assertStringIncludes(await failure(changed), "is not the file that was planned: got SHA-256");
    const wanted = "wanted mu [D] and sigma [D, D], D from 1 to 16384";
    assertStringIncludes(await failure(take(npz(0))), `statistics: got mu [0] and sigma [0,0], ${wanted}`);
    assertStringIncludes(await failure(take(npz(2, { rows: 1 }))), `statistics: got mu [2] and sigma [1,1], ${wanted}`);
    // The maximum size is known before unpacking: 2 means have 4 covariances.
    assertStringIncludes(
      await failure(take(npz(2, { rows: 99 }))),
      "npz file, sigma.npy: got 78536 bytes, wanted at most",
    );
    assertStringIncludes(await failure(take(npz(17_000, { rows: 1 }))), "npz file, mu.npy: got 136128 bytes");

    // Each pair is possible, but not all three together: an eigenvalue is -0.8.
    const three = (await take(npz(3, { sigma: (i, j) => i === j ? 1 : -0.9 }))).outputs["statistics"]!;
    const unit = (await take(npz(3, { sigma: (i, j) => Number(i === j) }))).outputs["statistics"]!;
    for (const [real, fake] of [[three, unit], [unit, three]] as const) {
      const scored = runStage(folder, scoreKind, { params: {}, inputs: { real, fake } });
      assertStringIncludes(await failure(scored), "a covariance has clearly negative eigenvalues");
    }
  });
});

Deno.test("score refuses sets that are too small for a figure, in words", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 30, testCount: 3 });
    const [real, fake] = [await featuresOf(folder, train), await featuresOf(folder, test)];
    const single = await featuresOf(folder, test, { limit: 1 });
    const run = (fake: InputArtifact, params = {}) =>
      failure(runStage(folder, scoreKind, { params, inputs: { real, fake } }));
    assertStringIncludes(await run(single), "too few fake images: got 1, wanted at least 2");
    assertStringIncludes(await run(fake, { manifold: { neighbours: 3 } }), "got 3, wanted at most 2");
    assertStringIncludes(
      await run(fake, { bootstrap: 20 }),
      "a quarter of each set needs two images: got 3, wanted at least 8",
    );
  });
});

Deno.test("what multiplies matrices or runs a graph says which threads decide its rounding", async () => {
  const numerics = async (kind: typeof scoreKind | typeof featuresKind, params: Record<string, unknown>) => {
    // deno-lint-ignore no-explicit-any
    const found = await kind.device!(kind.params.parse(params) as any, tryDevice);
    return "device" in found ? found.device.numerics : found.problem.message;
  };
  assertEquals(await numerics(scoreKind, { threads: 3 }), onnxNumerics(3));
  assertEquals(await numerics(statisticsKind as unknown as typeof scoreKind, { threads: 2 }), onnxNumerics(2));
  // This holds whatever device the other extractors would get.
  assertEquals(await numerics(featuresKind, { extractor: "onnx", device: "wasm", threads: 2 }), onnxNumerics(2));
});
