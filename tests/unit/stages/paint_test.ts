import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { makeBetas } from "../../../science/diffusion/schedule/betas.ts";
import { mix, transition } from "../../../science/diffusion/samplers/mix.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import { inpaintKind, interpolateKind, neighboursKind } from "../../support/builtin_kinds.ts";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { keptPixels } from "../../../stages/inpaint/run.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import { readImages } from "../../../artifacts/images.ts";
import { randomStream } from "../../../science/tensor/mod.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";
import { smallCheckpoint, withFolder } from "./small_world.ts";

async function pixelsOf({ end, outputs }: StageOutcome): Promise<Uint8Array> {
  assertEquals(end, undefined);
  return (await readImages(outputs["samples"]!)).pixels;
}

const PIXELS = 64;
const SAMPLER = { name: "ddim", steps: 10, eta: 1 };

Deno.test("interpolate mixes pairs: the first point is of the first end alone, whatever the batches", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, images, test } = await smallCheckpoint(folder);
    const interpolate = (ends: typeof images, options = {}, extra = {}) =>
      runStage(folder, interpolateKind, {
        params: { pairs: 3, points: 4, timestep: 25, sampler: SAMPLER, batchSize: 12, ...extra },
        inputs: { checkpoint, images: ends },
        ...options,
      });
    const whole = await interpolate(images);
    const pixels = await pixelsOf(whole);
    const image = (from: Uint8Array, i: number) => from.subarray(i * PIXELS, (i + 1) * PIXELS);
    assertEquals(pixels.length, 12 * PIXELS);
    assertEquals(whole.outputs["samples"]!.files.map(({ path }) => path), [
      "grid.png",
      "images.json",
      "images.safetensors",
      "interpolation.png",
    ]);
    for (let i = 1; i < 4; i++) assertNotEquals(image(pixels, i), image(pixels, 0));

    // Batches of other sizes round sums differently, which can change a pixel by one level of 255.
    const inParts = await pixelsOf(await interpolate(images, {}, { batchSize: 5 }));
    assert(inParts.every((value, i) => Math.abs(value - pixels[i]!) <= 1));

    const other = await readImages(test);
    assertNotEquals(image(other.pixels, 0), image((await readImages(images)).pixels, 0));
    assertNotEquals(image(await pixelsOf(await interpolate(test)), 0), image(pixels, 0));

    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    const onReport = ({ done }: { done: number }) => done >= 6 && stop.abort();
    const options = { progress, stop: stop.signal, onReport };
    assertEquals((await interpolate(images, options, { batchSize: 5 })).end, { status: "interrupted", step: 5 });
    const resumed = await interpolate(images, { progress }, { batchSize: 5 });
    assertEquals(digests(resumed), digests(await interpolate(images, {}, { batchSize: 5 })));
  });
});

Deno.test("inpaint keeps the rest to the bit, paints the part, and goes on after a stop", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, images } = await smallCheckpoint(folder);
    const paint = (options = {}, extra = {}) =>
      runStage(folder, inpaintKind, {
        params: { count: 6, region: "left", sampler: SAMPLER, batchSize: 4, repeats: 2, ...extra },
        inputs: { checkpoint, images },
        ...options,
      });
    const straight = await paint();
    const painted = await pixelsOf(straight);
    const originals = (await readImages(images)).pixels.subarray(0, painted.length);
    const kept = keptPixels("left", { height: 8, width: 8, channels: 1 });
    assertEquals(kept.reduce((sum, value) => sum + value, 0), 32);
    painted.forEach((value, i) => kept[i % PIXELS] === 1 && assertEquals(value, originals[i]));
    assertNotEquals(painted, originals);
    assertNotEquals(await pixelsOf(await paint({}, { repeats: 1 })), painted);

    const [stop, progress] = [new AbortController(), new MemoryProgress()];
    const onReport = ({ done }: { done: number }) => done >= 5 && stop.abort();
    assertEquals((await paint({ progress, stop: stop.signal, onReport })).end, { status: "interrupted", step: 4 });
    assertEquals(digests(await paint({ progress })), digests(straight));
  });
});

Deno.test("keptPixels() paints a quarter in the middle, halves at the sides, and as much as it can of odd sizes", () => {
  const painted = (region: Parameters<typeof keptPixels>[0], height: number, width: number) => {
    const kept = keptPixels(region, { height, width, channels: 3 });
    assertEquals(kept.length, height * width * 3);
    return kept.filter((value) => value === 0).length / 3;
  };
  assertEquals(painted("center", 8, 8), 16);
  assertEquals(["left", "right", "top", "bottom"].map((region) => painted(region as "left", 6, 4)), [12, 12, 12, 12]);
  assertEquals([painted("left", 5, 5), painted("bottom", 5, 5)], [10, 10]);
});

Deno.test("a transition leads from x_s to the same distribution as the path from x_0", () => {
  const path = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps: 100 })));
  const count = 200_000;
  const random = randomStream({ seed: 1, stream: "test" });
  const x0 = new Float32Array(count).fill(0.5);
  for (const from of [-1, 40]) {
    const start = mix([path.signal(from), x0], [path.noise(from), random.normal(0, count)]);
    const { signal, variance } = transition(path, from, 60);
    const x = mix([signal, start], [Math.sqrt(variance), random.normal(1, count)]);
    const mean = x.reduce((sum, value) => sum + value, 0) / count;
    // Four standard errors of 200,000 samples.
    assertClose(mean, path.signal(60) * 0.5, { abs: 4 / Math.sqrt(count) });
    const spread = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    assertClose(spread, path.noise(60) ** 2, { abs: 4 * Math.sqrt(2 / count) });
  }
});

Deno.test("inpaint and interpolate walk with every sampler", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, images } = await smallCheckpoint(folder);
    const samplers = [{ name: "heun", steps: 4 }, { name: "dpmpp-2m", steps: 4 }, {
      name: "ancestral",
      variance: "fixedsmall",
      steps: 10,
    }];
    for (const sampler of samplers) {
      const inputs = { checkpoint, images };
      const paint = { count: 2, region: "left", repeats: 2, sampler, batchSize: 2 };
      const mixed = { pairs: 1, points: 2, timestep: 30, sampler, batchSize: 2 };
      await pixelsOf(await runStage(folder, inpaintKind, { params: paint, inputs }));
      await pixelsOf(await runStage(folder, interpolateKind, { params: mixed, inputs }));
    }
  });
});

Deno.test("neighbours finds copies among samples, and none among images that are new", async () => {
  await withFolder(async (folder) => {
    const { images, test } = await smallCheckpoint(folder);
    const look = async (samples: typeof images) => {
      const inputs = { samples, training: images, heldOut: test };
      const said: string[] = [];
      const { end, outputs } = await runStage(folder, neighboursKind, {
        params: { count: 10, nearest: 3 },
        inputs,
        onSaid: (event) => event.type === "note" && said.push(event.message),
      });
      assertEquals(end, undefined);
      assertMatch(said.join(), /^compares 20 images with \d+ each: up to [\d.e-]+ GFLOP$/);
      assert(outputs["metrics"]!.files.some(({ path }) => path === "neighbours.png"));
      const { metrics } = JSON.parse(await outputs["metrics"]!.readText("metrics.json")) as Metrics;
      return metrics.map(({ value }) => value);
    };
    const [ofCopies, ofHeldOut, nearCopies] = await look(images);
    assertEquals([ofCopies, nearCopies], [0, 1]);
    assert(ofHeldOut! > 0);
    const [ofNew, same, nearNew] = await look(test);
    // The 5% quantile of ten distances lies between the first and the second.
    assertEquals([ofNew, nearNew], [same, 0.1]);
  });
});

Deno.test("the cost of neighbours grows with both sets, and is known where their sizes are", () => {
  const size = { height: 8, width: 8, channels: 1 };
  const work = (samples: number | undefined, training: number | undefined, heldOut?: number, count = 100) => {
    const of = (count: number | undefined) => ({ ...size, ...definedOnly({ count }) });
    const held = heldOut === undefined ? {} : { heldOut: of(heldOut) };
    const inputs = { samples: of(samples), training: of(training), ...held };
    return neighboursKind.check!(neighboursKind.params.parse({ count }), inputs).workGflop;
  };
  // A subtraction, a product and a sum for each of 64 numbers.
  assertEquals(work(50, 1_000), 3 * 50 * 1_000 * 64 / 1e9);
  assertEquals(work(500, 1_000), 3 * 100 * 1_000 * 64 / 1e9);
  assertEquals(work(500, 300_000, 500), 3 * 200 * 300_000 * 64 / 1e9);
  assertEquals([work(undefined, 1_000), work(50, undefined)], [undefined, undefined]);
});

Deno.test("checks refuse what cannot be mixed or painted", () => {
  const size = { height: 8, width: 8, channels: 1 };
  const checkpoint = { ...size, timesteps: 50, variancePreserving: true };
  const of = (result: { problems: readonly { param?: readonly unknown[]; input?: string }[] }) =>
    result.problems.map(({ param, input }) => param?.join(".") ?? input);
  const mixed = (params: unknown, images = { ...size, count: 10 }) =>
    of(interpolateKind.check!(interpolateKind.params.parse(params), { checkpoint, images }));
  assertEquals(mixed({ timestep: 50, pairs: 6 }), ["timestep", "pairs"]);
  assertEquals(mixed({ timestep: 20, pairs: 5 }, { ...size, channels: 3, count: 10 }), ["images"]);
  assertEquals(mixed({ timestep: 20, pairs: 5, sampler: { name: "ddim", steps: 51 } }), ["sampler.steps"]);
  // Five steps of fifty visit 9, 19, 29, 39 and 49.
  assertEquals(mixed({ timestep: 8, pairs: 5, sampler: { name: "ddim", steps: 5 } }), ["timestep"]);
  assertEquals(mixed({ timestep: 9, pairs: 5, sampler: { name: "ddim", steps: 5 } }), []);
  assertEquals(mixed({ timestep: 20, pairs: 5, sampler: { name: "heun" } }), []);
  assertEquals(mixed({ timestep: 20, pairs: 5, sampler: { name: "heun", sigmaMin: 9, sigmaMax: 8 } }), [
    "sampler.sigmaMin",
  ]);
  const paint = (params: unknown) =>
    of(inpaintKind.check!(inpaintKind.params.parse(params), { checkpoint, images: { ...size, count: 10 } }));
  assertEquals(paint({ count: 11, sampler: { name: "dpmpp-2m", steps: 60 } }), ["sampler.steps", "count"]);
  assertEquals(paint({}), ["count"]);
});
