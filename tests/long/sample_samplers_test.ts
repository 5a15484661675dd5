import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { x0Recovery } from "../../diffusion/objective.ts";
import { sampleKind } from "../support/builtin_kinds.ts";
import { checkSampler, evaluationsOf } from "../../stages/shared/draw/check.ts";
import { makeBatchDrawer } from "../../stages/sample/run.ts";
import { samplerSteps, thresholdStep } from "../../stages/shared/draw/walker.ts";
import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import { readImages } from "../../artifacts/images.ts";
import { makeBetas } from "../../diffusion/schedule/betas.ts";
import { makeTables } from "../../diffusion/schedule/tables.ts";
import { samplerParams } from "../../stages/shared/draw/params.ts";
import { type Device, type HostTensors, randomStream, type Signature } from "../../tensor/mod.ts";
import { runStage, type StageOutcome } from "../support/stage_context.ts";
import { assertAllClose } from "../unit/diffusion/assert_close.ts";
import { smallWorld, trainSmall, withFolder } from "../unit/stages/small_world.ts";

async function pixelsOf({ end, outputs }: StageOutcome): Promise<Uint8Array> {
  assertEquals(end, undefined);
  return (await readImages(outputs["samples"]!)).pixels;
}

const SAMPLERS = [
  { name: "dpmpp-2m", steps: 5 },
  { name: "heun", steps: 4 },
  { name: "ancestral", variance: "learned", steps: 10 },
  { name: "ancestral", variance: "fixedsmall", steps: 10 },
];

Deno.test("sample draws with every sampler and clip, and an image does not depend on the batch", async () => {
  await withFolder(async (folder) => {
    const { outputs } = await trainSmall(folder, await smallWorld(folder), {
      params: { steps: 2, objective: "v", variance: "learned" },
    });
    const inputs = { checkpoint: outputs["checkpoint"]! };
    for (const sampler of SAMPLERS) {
      const drawn: Uint8Array[] = [];
      for (const clip of ["unit", "dynamic", "none"]) {
        const sample = (count: number) =>
          runStage(folder, sampleKind, { params: { count, sampler, clip, clipQuantile: 0.9, batchSize: 4 }, inputs });
        const outcome = await sample(2);
        const two = await pixelsOf(outcome);
        assertEquals((await pixelsOf(await sample(6))).subarray(0, two.length), two);
        drawn.push(two);
        const { source } = (await readImages(outcome.outputs["samples"]!)).info;
        assertEquals(source["clip"], clip === "unit" ? undefined : clip);
      }
      assertNotEquals(drawn[0], drawn[1]);
      assertNotEquals(drawn[1], drawn[2]);
    }
  });
});

/** A network of one pixel on the host, in the place of a compiled reverse step. */
const network = (x: number, t: number) => Math.tanh(x) * (0.2 + t / 100);

const hostDevice = {
  name: "host",
  numerics: "host",
  compile: (_fn: unknown, inputs: Signature) =>
    Promise.resolve({
      inputs,
      outputs: {},
      bind: () =>
        Promise.resolve({
          run(feeds: HostTensors, into: HostTensors = {}) {
            const scalar = (name: string) => feeds[name]![0]!;
            feeds["x"]!.forEach((x, i) => {
              const x0 = scalar("x0FromXt") * x + scalar("x0FromOutput") * network(x, scalar("t"));
              into["x0"]![i] = x0;
              into["x"]![i] = scalar("coefX0") * x0 + scalar("coefXt") * x + scalar("coefExtra") * feeds["extra"]![i]!;
            });
            return Promise.resolve(into);
          },
        }),
    }),
} as unknown as Device;

Deno.test("a drawn batch hands each step the x and x0 of the step before it", async () => {
  const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 100 }));
  const model = {
    imageSize: 1,
    inChannels: 1,
    outChannels: 1,
    channels: 4,
    multipliers: [1],
    blocks: 1,
    attention: [],
  };
  const checkpoint = {
    config: { model, objective: "v", images: { source: "none" } },
    tables,
  } as unknown as StoredCheckpoint;
  for (const sampler of [{ name: "dpmpp-2m", steps: 9 }, { name: "heun", steps: 5 }, { name: "ddim", steps: 9 }]) {
    const params = samplerParams.parse(sampler);
    const options = { device: hostDevice, sampler: params, batchSize: 2, seed: 3 };
    const drawer = await makeBatchDrawer(checkpoint, { ...options, clip: "none", clipQuantile: 1, guidance: 1 });
    // A second batch, so that what the first one left in the arrays would show.
    const go = () => Promise.resolve(true);
    await drawer.draw(0, go);
    const drawn = await drawer.draw(2, go);
    const start = randomStream({ seed: 3, stream: "sample/initial" });
    const wanted = [2, 3].map((image) => {
      let [x, lastX, lastX0] = [start.normal(image, 1)[0]!, NaN, NaN];
      for (const step of samplerSteps(tables, params)) {
        const recovery = x0Recovery("v", { tables, t: step.t });
        const x0 = recovery.xt * x + recovery.output * network(x, step.t);
        const extra = { none: 0, noise: NaN, lastX, lastX0 }[step.extra];
        [lastX, lastX0, x] = [x, x0, step.coefX0 * x0 + step.coefXt * x + step.coefExtra * extra];
      }
      return x;
    });
    // float32 images between steps.
    assertAllClose(drawn!.images, wanted, { abs: 1e-5, label: sampler.name });
  }
});

Deno.test("checkSampler() refuses what cannot give an image", () => {
  const check = (sampler: Record<string, unknown>, chain = { timesteps: 1000, learnedVariance: false }) =>
    checkSampler(samplerParams.parse(sampler), chain).map(({ severity = "error", param }) =>
      `${severity} ${param!.join(".")}`
    );
  assertEquals(check({ name: "ancestral" }), []);
  assertEquals(check({ name: "ancestral", steps: 1000 }), []);
  assertEquals(check({ name: "ancestral", steps: 100 }), ["warning sampler.variance"]);
  assertEquals(check({ name: "ancestral", steps: 50 }), ["error sampler.variance"]);
  assertEquals(check({ name: "ancestral", steps: 50, variance: "fixedsmall" }), []);
  assertEquals(check({ name: "ancestral", variance: "learned" }), ["error sampler.variance"]);
  assertEquals(check({ name: "ancestral", variance: "learned" }, { timesteps: 9, learnedVariance: true }), []);
  assertEquals(check({ name: "dpmpp-2m", steps: 1001 }), ["error sampler.steps"]);
  assertEquals(check({ name: "heun", sigmaMin: 3, sigmaMax: 2 }), ["error sampler.sigmaMin"]);
  assertEquals(check({ name: "heun", steps: 2000 }), []);
});

Deno.test("sample fails with a way out when a learned variance is asked of a network without one", async () => {
  await withFolder(async (folder) => {
    const { outputs } = await trainSmall(folder, await smallWorld(folder), { params: { steps: 1 } });
    const params = { count: 1, sampler: { name: "ancestral", variance: "learned" } };
    const { end } = await runStage(folder, sampleKind, { params, inputs: { checkpoint: outputs["checkpoint"]! } });
    assert(end?.status === "failed");
    assertStringIncludes(end.message, "did not learn a variance: got learned, wanted fixedsmall or fixedlarge");
  });
});

Deno.test("evaluationsOf() counts what samplerSteps() makes", () => {
  const tables = makeTables(makeBetas({ name: "ho/linear", timesteps: 100 }));
  for (const sampler of [...SAMPLERS, { name: "ddim", steps: 7 }, { name: "ancestral" }]) {
    const params = samplerParams.parse(sampler);
    assertEquals(evaluationsOf(params, 100), samplerSteps(tables, params).length, JSON.stringify(sampler));
  }
});

Deno.test("thresholdStep() makes the next images from the thresholded predictions", () => {
  const step = { t: 3, coefX0: 0.5, coefXt: 0.25, coefExtra: 0, extra: "none" } as const;
  const x0 = Float32Array.of(4, -2, 0.5, 0.5);
  const x = [1, 2, 3, 4];
  const next = Float32Array.from(x0, (value, i) => 0.5 * value + 0.25 * x[i]!);
  thresholdStep({ next, x0 }, step, { pixels: 2, quantile: 1 });
  assertAllClose(x0, [1, -0.5, 0.5, 0.5], { abs: 1e-7 });
  assertAllClose(next, [0.75, 0.25, 1, 1.25], { abs: 1e-6 });
});
