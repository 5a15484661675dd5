import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { sampleKind } from "../../support/builtin_kinds.ts";
import { checkSampler } from "../../../stages/shared/draw/sampler.ts";
import { readImages } from "../../../artifacts/images.ts";
import { samplerParams } from "../../../science/diffusion/samplers.ts";
import { runStage, type StageOutcome } from "../../support/stage_context.ts";
import { smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

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

Deno.test("checkSampler() refuses what cannot give an image", () => {
  const check = (
    sampler: Record<string, unknown>,
    chain = { timesteps: 1000, learnedVariance: false, variancePreserving: true },
  ) =>
    checkSampler(samplerParams.parse(sampler), chain).map(({ severity = "error", param }) =>
      `${severity} ${param!.join(".")}`
    );
  assertEquals(check({ name: "ancestral" }), []);
  assertEquals(check({ name: "ancestral", steps: 1000 }), []);
  assertEquals(check({ name: "ancestral", steps: 100 }), ["warning sampler.variance"]);
  assertEquals(check({ name: "ancestral", steps: 50 }), ["error sampler.variance"]);
  assertEquals(check({ name: "ancestral", steps: 50, variance: "fixedsmall" }), []);
  assertEquals(check({ name: "ancestral", variance: "learned" }), ["error sampler.variance"]);
  assertEquals(
    check({ name: "ancestral", variance: "learned" }, {
      timesteps: 9,
      learnedVariance: true,
      variancePreserving: true,
    }),
    [],
  );
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
