import { assert, assertEquals } from "@std/assert";
import { lossByBucket } from "../../../stages/shared/timestep_buckets.ts";
import { learningRateAt } from "../../../stages/shared/training.ts";
import { trainKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress } from "../../support/stage_context.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

Deno.test("learningRateAt() warms up, decays until its horizon, and stays at the floor", () => {
  const rates = (shape?: "linear" | "cosine") =>
    [2, 4, 6, 8, 10, 12, 20].map((step) =>
      learningRateAt(step, {
        learningRate: 8,
        warmupSteps: 4,
        learningRateDecay: shape === undefined ? undefined : { shape, until: 12, floor: 0.25 },
      })
    );
  assertEquals(rates(), [4, 8, 8, 8, 8, 8, 8]);
  assertAllClose(rates("linear"), [4, 8, 6.5, 5, 3.5, 2, 2], { rel: 1e-15 });
  // 2 + 6 (1 + cos(pi w)) / 2 at w = 0, 1/4, 1/2, 3/4, 1.
  const quarter = 3 * Math.SQRT1_2;
  assertAllClose(rates("cosine"), [4, 8, 5 + quarter, 5, 5 - quarter, 2, 2], { rel: 1e-14 });
});

Deno.test("a decay does not depend on how long the run is: a longer one continues a shorter one", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const params = { learningRateDecay: { shape: "cosine", until: 5, floor: 0.1 }, lossBuckets: 4 };
    const straight = await trainSmall(folder, world, { params: { ...params, steps: 6 } });
    const progress = new MemoryProgress();
    await trainSmall(folder, world, { params: { ...params, steps: 3 }, progress });
    assertEquals(
      digests(await trainSmall(folder, world, { params: { ...params, steps: 6 }, progress })),
      digests(straight),
    );

    const log = (await straight.outputs["log"]!.readText("log.jsonl")).trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertAllClose(log.slice(4).map(({ learningRate }) => learningRate), [1e-3, 1e-3], { rel: 1e-12 });
    assert(log.every(({ lossByTimestep }) => lossByTimestep.length === 4));
    assert(log.flatMap(({ lossByTimestep }) => lossByTimestep).some((loss: number | null) => loss !== null));
  });
});

Deno.test("lossByBucket() is the mean of each bucket's images, null where there are none", () => {
  const seen = { t: Int32Array.of(0, 9, 3, 4), losses: Float32Array.of(1, 2, 3, 4) };
  const buckets = [{ from: 0, to: 4 }, { from: 4, to: 5 }, { from: 5, to: 8 }, { from: 8, to: 10 }];
  assertEquals(lossByBucket(seen, buckets), [2, 4, null, 2]);
});

Deno.test("train's check refuses a decay that ends within the warmup, and more buckets than timesteps", () => {
  const { problems } = trainKind.check!(
    trainKind.params.parse({
      steps: 1,
      warmupSteps: 10,
      learningRateDecay: { shape: "linear", until: 10 },
      lossBuckets: 51,
    }),
    { schedule: { timesteps: 50, betas: "ldm/cosine" } },
  );
  assertEquals(problems.map(({ severity = "error", param }) => `${severity} ${param!.join(".")}`), [
    "error lossBuckets",
    "error learningRateDecay.until",
  ]);
});

Deno.test("a batch in micro-batches gives the losses of the whole, and goes on after a stop to the same bytes", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const common = { steps: 4, objective: "v", variance: "learned", timestepSampler: "loss-aware" };
    const logOf = async (params: Record<string, unknown>) => {
      const { end, outputs } = await trainSmall(folder, world, { params: { ...common, ...params } });
      assertEquals(end, undefined);
      const lines = (await outputs["log"]!.readText("log.jsonl")).trimEnd().split("\n");
      return lines.map((line) => JSON.parse(line)).flatMap(({ loss, gradNorm }) => [loss, gradNorm]);
    };
    // The same sums in another order, float32, over four updates.
    assertAllClose(await logOf({ microBatches: 4 }), await logOf({}), { rel: 1e-3 });

    const params = { ...common, microBatches: 2, dropout: 0.2 };
    const straight = await trainSmall(folder, world, { params });
    const progress = new MemoryProgress();
    await trainSmall(folder, world, { params: { ...params, steps: 2 }, progress });
    assertEquals(digests(await trainSmall(folder, world, { params, progress })), digests(straight));
  });
});

Deno.test("train's check refuses micro-batches that are not equal parts, and names a number that is", () => {
  const { problems } = trainKind.check!(trainKind.params.parse({ steps: 1, batchSize: 12, microBatches: 5 }), {
    images: { count: 100, height: 8, width: 8, channels: 1 },
  });
  assertEquals(
    problems.map(({ param, fix }) => [param!.join("."), fix]).filter(([param]) => param === "microBatches"),
    [
      ["microBatches", "use microBatches: 4"],
    ],
  );
});
