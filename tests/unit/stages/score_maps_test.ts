import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { join } from "node:path";
import { pixelForm } from "../../../artifacts/features.ts";
import { openImagesWriter } from "../../../artifacts/image_files.ts";
import type { Metrics } from "../../../artifacts/metrics.ts";
import type { Facts, InputArtifact } from "../../../engine/contract/stage.ts";
import {
  BYTES,
  formOf,
  mapBetween,
  normalize,
  VALUE_TYPES,
  type ValueForm,
} from "../../../science/diffusion/normalizer.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { encodeNpz } from "../../../science/formats/npz.ts";
import { randomStream } from "../../../science/tensor/mod.ts";
import {
  classifierKind,
  featuresKind,
  neighboursKind,
  scoreKind,
  statisticsKind,
} from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";
import { said } from "./own_definitions.ts";
import { withFolder } from "./small_world.ts";

const COUNT = 32;
const CHANNELS = 2;

interface Shape {
  readonly height: number;
  readonly width: number;
}

/** Writes a set of images, whose stored values are a function of their index. */
async function setOf(
  folder: string,
  form: ValueForm,
  { height, width }: Shape,
  valueAt: (at: number) => number,
): Promise<InputArtifact> {
  const place = await Deno.makeTempDir({ dir: folder });
  const info = { count: COUNT, height, width, channels: CHANNELS, classes: null, source: {} };
  using writer = openImagesWriter(openOutput(place), { ...info, ...form });
  await writer.add(
    VALUE_TYPES[form.dtype].from(Array.from({ length: COUNT * height * width * CHANNELS }, (_, at) => valueAt(at))),
  );
  await writer.finish();
  return openInput(folderArtifact(place, "images"));
}

type Way = "images" | "features" | "statistics";

/** Returns a set as images, as their pixel features, or as the statistics of these. */
async function given(folder: string, images: InputArtifact, way: Way): Promise<InputArtifact> {
  if (way === "images") return images;
  const params = { extractor: "pixels" };
  const { outputs: { features } } = await runStage(folder, featuresKind, { params, inputs: { images } });
  if (way === "features") return features!;
  const { outputs } = await runStage(folder, statisticsKind, { params: {}, inputs: { features: features! } });
  return outputs["statistics"]!;
}

const channels = (number: fc.Arbitrary<number>) =>
  fc.oneof(fc.tuple(number), fc.array(number, { minLength: CHANNELS, maxLength: CHANNELS }));
const normalizers = fc.constantFrom("range", "moments", "percentiles", "factor").chain((how) =>
  channels(fc.double({ min: 0.5, max: 300, noNaN: true })).chain((scale) =>
    fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: scale.length, maxLength: scale.length })
      .map((shift) => ({ how: how as "range", scale, shift }))
  )
);
const ways = fc.constantFrom<Way>("images", "features", "statistics");
const PAIRS = fc.record({
  dtype: fc.constantFrom("uint8", "uint16", "float32"),
  shape: fc.constantFrom({ height: 1, width: 3 }, { height: 2, width: 2 }),
  real: normalizers,
  fake: normalizers,
  ways: fc.tuple(ways, ways),
  shift: fc.integer({ min: 5, max: 100 }),
  seed: fc.integer({ min: 1, max: 1000 }),
});

Deno.test("two sets are compared by the real set's normaliser, however each is stored and given", async () => {
  await fc.assert(
    fc.asyncProperty(PAIRS, async ({ dtype, shape, real, fake, ways: [realWay, fakeWay], shift, seed }) => {
      await withFolder(async (folder) => {
        const noise = randomStream({ seed, stream: "test" });
        const draws = [0, 1].map((step) => noise.normal(step, COUNT * shape.height * shape.width * CHANNELS));
        // Floats are far from 0; integers lie in the range of bytes.
        const offset = dtype === "float32" ? 1000 : 70;
        const valueAt = (draw: number, shift: number) => (at: number) =>
          offset + Math.max(-60, Math.min(60, Math.round(10 * draws[draw]![at]!))) + shift;
        const set = (normalizer: ValueForm["normalizer"], draw: number, shift: number) =>
          setOf(folder, { dtype, normalizer }, shape, valueAt(draw, shift));
        const areVectors = realWay !== "statistics" && fakeWay !== "statistics";
        const score = async (a: InputArtifact, b: InputArtifact, params: object = {}) => {
          const { end, outputs } = await runStage(folder, scoreKind, {
            params: { ...params },
            inputs: { real: a, fake: b },
          });
          assertEquals(end, undefined);
          return JSON.parse(await outputs["metrics"]!.readText("metrics.json")) as Metrics;
        };
        const first = await set(real, 0, 0);
        const a = await given(folder, first, realWay);

        // The same values and a constant more: two Gaussians of one covariance.
        const b = await given(folder, await set(fake, 0, shift), fakeWay);
        const { metrics: [distance], features } = await score(a, b);
        const pixels = shape.height * shape.width;
        const scales = Array.from({ length: CHANNELS }, (_, c) => real.scale[c % real.scale.length]!);
        const wanted = scales.reduce((sum, scale) => sum + pixels * (shift / scale) ** 2, 0);
        // Features are float32, of stored values up to 1,160, less a shift of the units.
        assertClose(distance!.value, wanted, { rel: 2e-3, abs: 1e-6 });
        const form = pixelForm({ name: "pixels", preprocessing: features!.preprocessing ?? {} });
        assertEquals([form!.dtype, form!.normalizer], [dtype, real]);

        // Other values: all scores are those of a fake set that was stored by the real set's normaliser.
        const all = areVectors ? { kid: { subsets: 3, size: 16 }, manifold: {} } : {};
        const got = await score(a, await given(folder, await set(fake, 1, shift), fakeWay), all);
        const want = await score(first, await set(real, 1, shift), all);
        for (const metric of got.metrics) {
          const { value } = want.metrics.find(({ name }) => name === metric.name)!;
          assertClose(metric.value, value, { rel: 5e-3, abs: 1e-5, label: metric.name });
        }
      });
    }),
    {
      numRuns: 12,
      examples: [[{
        ...{ dtype: "float32", shape: { height: 2, width: 2 }, ways: ["images", "images"], shift: 100, seed: 1 },
        real: { how: "range", scale: [1], shift: [0] },
        fake: { how: "range", scale: [10], shift: [100] },
      }]],
    },
  );
});

Deno.test("mapBetween() joins two normalisers, and is undefined where there is nothing to join", () => {
  fc.assert(fc.property(normalizers, normalizers, (from, to) => {
    const stored = Float64Array.of(0, 255, -3, 12.5);
    const [wanted, got] = [new Float64Array(4), new Float64Array(4)];
    normalize(stored, wanted, to);
    normalize(stored, got, from);
    const map = mapBetween(from, to);
    if (map !== undefined) normalize(got, got, map);
    got.forEach((value, i) => assertClose(value, wanted[i]!, { abs: 1e-9 }));
  }));
  assertEquals(mapBetween(BYTES.normalizer, formOf({}).normalizer), undefined);
});

const FLAT: Shape = { height: 2, width: 2 };
const valueAt = (at: number) => at * 37 % 101;
const float = (encoder?: string): ValueForm => ({
  ...{ dtype: "float32", normalizer: { how: "factor", scale: [10], shift: [0] } },
  ...(encoder === undefined ? {} : { encoder: encoder.repeat(64) }),
});

Deno.test("sets that no normaliser joins are refused by everything that reads two", async () => {
  await withFolder(async (folder) => {
    const forms = { bytes: BYTES, floats: float(), a: float("a"), b: float("b") };
    const sets = new Map<string, InputArtifact>();
    for (const [name, form] of Object.entries(forms)) sets.set(name, await setOf(folder, form, FLAT, valueAt));
    const bytes = Array.from({ length: COUNT }, (_, i) => i % 2);
    for (const real of Object.keys(forms)) {
      for (const fake of Object.keys(forms)) {
        const pair = [sets.get(real)!, sets.get(fake)!] as const;
        for (
          const [realWay, fakeWay] of [["images", "images"], ["features", "images"], ["images", "statistics"], [
            "features",
            "features",
          ]] as const
        ) {
          const inputs = {
            real: await given(folder, pair[0], realWay),
            fake: await given(folder, pair[1], fakeWay),
          };
          const { end } = await runStage(folder, scoreKind, { params: {}, inputs });
          assertEquals(end?.status, real === fake ? undefined : "failed", `${real} ${realWay}, ${fake} ${fakeWay}`);
        }
        const inputs = { training: pair[0], samples: pair[1] };
        const { end } = await runStage(folder, neighboursKind, { params: { nearest: 1 }, inputs });
        assertEquals(end?.status, real === fake ? undefined : "failed", `neighbours of ${real}, ${fake}`);
      }
    }
    // A classifier of latents of one encoder sees nothing in those of another.
    const labelled = async (form: ValueForm) => {
      const place = await Deno.makeTempDir({ dir: folder });
      const info = { ...FLAT, count: COUNT, channels: CHANNELS, classes: 2, source: {} };
      using writer = openImagesWriter(openOutput(place), { ...info, ...form });
      await writer.add(Float32Array.from({ length: COUNT * 8 }, (_, at) => valueAt(at)), bytes);
      await writer.finish();
      return openInput(folderArtifact(place, "images"));
    };
    const { outputs: { classifier } } = await runStage(folder, classifierKind, {
      params: { base: 4, steps: 1, batchSize: 4 },
      inputs: { images: await labelled(float("a")) },
    });
    const extract = (images: InputArtifact) =>
      runStage(folder, featuresKind, { params: {}, inputs: { images, classifier: classifier! } });
    assertEquals((await extract(sets.get("a")!)).end, undefined);
    assertStringIncludes(said(await extract(sets.get("b")!)), "latents of encoder bbbbbbbbbbbb");
    assertStringIncludes(said(await extract(sets.get("floats")!)), "wanted 2x2x2 of float32, latents of encoder aaaa");
  });
});

Deno.test("a file of mu and sigma names no normaliser, and the score says so", async () => {
  await withFolder(async (folder) => {
    const file = join(folder, "pixels.npz");
    const arrays = {
      mu: { shape: [8], data: new Float64Array(8) },
      sigma: { shape: [8, 8], data: Float64Array.from({ length: 64 }, (_, i) => i % 9 === 0 ? 1 : 0) },
    };
    await Deno.writeFile(file, encodeNpz(arrays));
    const params = { path: file, extractor: "pixels", count: COUNT };
    const { outputs: { statistics } } = await runStage(folder, statisticsKind, { params });
    const images = await setOf(folder, float(), FLAT, valueAt);
    for (const [real, fake] of [[statistics!, images], [images, statistics!]] as const) {
      const { end, outputs } = await runStage(folder, scoreKind, { params: {}, inputs: { real, fake } });
      assertEquals(end, undefined);
      const { metrics: [metric] }: Metrics = JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
      assert(metric!.value > 0);
      assertStringIncludes(metric!.note!, "does not say its normaliser");
    }
  });
});

Deno.test("pixel features of images of other sizes or types are refused before anything runs, and by the run", async () => {
  await withFolder(async (folder) => {
    const sizes = [{ height: 8, width: 8 }, { height: 9, width: 9 }, { height: 16, width: 16 }];
    const stored = await Promise.all(sizes.map((size) => setOf(folder, BYTES, size, valueAt)));
    const pixels = featuresKind.params.parse({ extractor: "pixels" });
    const summary = (features: object) =>
      statisticsKind.check!(statisticsKind.params.parse({}), { features: { ...features } });
    const planned = [...sizes.map((size) => ({ ...size })), { ...sizes[0]!, dtype: "uint16" }].map((size): Facts[] => {
      const images = { ...size, channels: CHANNELS, count: COUNT };
      const features = featuresKind.check!(pixels, { images }).facts!["features"]!;
      return [images, features, summary(features).facts!["statistics"]!];
    });
    for (const [i, some] of planned.entries()) {
      for (const [j, others] of planned.entries()) {
        for (const real of some) {
          for (const fake of others) {
            const { problems } = scoreKind.check!(scoreKind.params.parse({}), { real, fake });
            assertEquals(problems.map(({ input }) => input), i === j ? [] : ["fake"], `${i}, ${j}`);
          }
        }
      }
    }
    const [small, , large] = stored;
    for (const ways of [["images", "features"], ["features", "images"], ["statistics", "features"]] as const) {
      const [real, fake] = [await given(folder, small!, ways[0]), await given(folder, large!, ways[1])];
      const run = await runStage(folder, scoreKind, { params: {}, inputs: { real, fake } });
      assertStringIncludes(said(run), "got 16x16x2, wanted 8x8x2");
    }
  });
});
