import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { sampleKind } from "../../../stages/mod.ts";
import { checkSampler } from "../../../stages/sample/check.ts";
import { thresholdStep } from "../../../stages/sample/clipping.ts";
import { evaluationsOf } from "../../../stages/sample/sampler_evaluations.ts";
import { samplerSteps } from "../../../stages/sample/sampler_steps.ts";
import { readImages } from "../../../stages/shared/images.ts";
import { makeBetas } from "../../../diffusion/schedule/betas.ts";
import { makeTables } from "../../../diffusion/schedule/tables.ts";
import { samplerParams } from "../../../schemas/kinds/sample.ts";
import { runStage, type StageOutcome } from "../../support/stage_context.ts";
import { assertAllClose } from "../diffusion/assert_close.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

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

Deno.test("samplers of the same network and start agree with DDIM of many steps", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    for (const objective of ["eps", "x0", "mu", "v"]) {
      // Few updates: a network that is nearly linear, whose flow few steps of second order follow closely.
      const { outputs } = await trainSmall(folder, world, { params: { steps: 2, objective } });
      const draw = async (sampler: Record<string, unknown>) => {
        const params = { count: 4, sampler, batchSize: 4, clip: "none" };
        return await pixelsOf(
          await runStage(folder, sampleKind, { params, inputs: { checkpoint: outputs["checkpoint"]! } }),
        );
      };
      const fine = await draw({ name: "ddim", steps: 50 });
      const far = (other: Uint8Array) =>
        fine.reduce((sum, value, i) => sum + Math.abs(value - other[i]!), 0) / fine.length;
      const solver = far(await draw({ name: "dpmpp-2m", steps: 25 }));
      assert(solver < 12, `${objective}: DPM-Solver++ is ${solver} levels away`);
    }
  });
});

Deno.test("checkSampler() refuses what cannot give an image", () => {
  const check = (sampler: Record<string, unknown>, chain = { timesteps: 1000, learnedVariance: false }) =>
    checkSampler(samplerParams.parse(sampler), chain).map(({ severity, param }) => `${severity} ${param!.join(".")}`);
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
