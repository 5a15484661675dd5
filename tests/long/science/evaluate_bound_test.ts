import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { makeBetas } from "../../../science/diffusion/schedule/betas.ts";
import { makeObjective } from "../../../science/diffusion/objective.ts";
import { OBJECTIVES } from "../../../science/diffusion/objectives.ts";
import { chainPath } from "../../../science/diffusion/path.ts";
import { makeTables } from "../../../science/diffusion/schedule/tables.ts";
import type { Metric, Metrics } from "../../../artifacts/metrics.ts";
import { boundTerms, sumBound } from "../../../stages/evaluate/bound.ts";
import { evaluateKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { assertClose } from "../../unit/science/diffusion/assert_close.ts";
import { smallCheckpoint, smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

const path = chainPath(makeTables(makeBetas({ name: "ho/linear", timesteps: 100 })));
const objective = makeObjective(OBJECTIVES.eps, {});
const OPTIONS = { path, objective, variance: "fixedlarge", seed: 0 } as const;

async function metricsOf({ end, outputs }: StageOutcome): Promise<Metric[]> {
  assertEquals(end, undefined);
  return (JSON.parse(await outputs["metrics"]!.readText("metrics.json")) as Metrics).metrics;
}

const valueOf = (metrics: Metric[], name: string) => metrics.find((metric) => metric.name === name)!.value;

Deno.test("the terms stand for each timestep once, whatever is evaluated", () => {
  for (const perImage of [2, 7, 100]) {
    const work = boundTerms(3, { ...OPTIONS, perImage });
    assertEquals(work.count, 3 * perImage);
    const items = Array.from({ length: work.count }, (_, i) => work.item(i)).filter(({ image }) => image === 1);
    assertEquals(items.reduce((sum, { termCount }) => sum + termCount, 0), 100);
    assertEquals(items[0]!.t, 0);
    const times = items.map(({ t }) => t);
    assertEquals(times, [...new Set(times)].sort((a, b) => a - b));
    if (perImage === 100) assertEquals(times, Array.from({ length: 100 }, (_, t) => t));
  }
});

Deno.test("sumBound() adds up terms, priors and their parts", () => {
  const work = boundTerms(2, { ...OPTIONS, perImage: 3 });
  const stands = Array.from({ length: 6 }, (_, i) => work.item(i).termCount);
  assertEquals(stands, [1, 49, 50, 1, 49, 50]);
  const figures = sumBound(work, {
    terms: Float64Array.of(1, 0.1, 0.2, 3, 0.3, 0.4),
    priors: Float64Array.of(0.5, 1.5),
    buckets: [{ from: 0, to: 1 }, { from: 1, to: 50 }, { from: 50, to: 100 }],
  });
  // Images: 0.5 + 1 + 4.9 + 10 = 16.4 and 1.5 + 3 + 14.7 + 20 = 39.2.
  assertClose(figures.total, 27.8, { rel: 1e-12 });
  assertClose(figures.standardError, 11.4, { rel: 1e-12 });
  assertEquals([figures.prior, figures.decoder], [1, 2]);
  assertEquals(figures.perBucket.map(({ from, to }) => [from, to]), [[1, 50], [50, 100]]);
  assertClose(figures.perBucket[0]!.sum, 9.8, { rel: 1e-12 });
  assertClose(figures.perBucket[1]!.sum, 15, { rel: 1e-12 });
});

Deno.test("evaluate reports the bound by its terms, which add up, and goes on after a stop", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, test } = await smallCheckpoint(folder);
    const inputs = { checkpoint, images: test };
    const params = { buckets: 3, batchSize: 4, bound: { timesteps: 50 } };
    const straight = await runStage(folder, evaluateKind, { params, inputs });
    const metrics = await metricsOf(straight);
    const parts = metrics.filter(({ name }) => name.startsWith("bits/dim "));
    assertEquals(parts.map(({ timesteps }) => timesteps), [
      undefined,
      { from: 0, to: 1 },
      { from: 1, to: 16 },
      { from: 16, to: 33 },
      { from: 33, to: 50 },
    ]);
    const total = valueOf(metrics, "bits/dim");
    assertClose(parts.reduce((sum, { value }) => sum + value, 0), total, { rel: 1e-12 });
    assert(total > 0);
    assertStringIncludes(metrics.find(({ name }) => name === "bits/dim")!.note!, "variance fixedlarge; 50 of 50");
    // The loss is the same without the bound.
    const plain = await metricsOf(
      await runStage(folder, evaluateKind, { params: { buckets: 3, batchSize: 4 }, inputs }),
    );
    assertEquals(metrics.slice(0, plain.length), plain);

    // Half as many evaluations: another estimate of the same number.
    const fewer = await metricsOf(
      await runStage(folder, evaluateKind, { params: { ...params, bound: { timesteps: 25 } }, inputs }),
    );
    assertClose(valueOf(fewer, "bits/dim"), total, { rel: 0.25 });

    const progress = new MemoryProgress();
    const stop = new AbortController();
    const onReport = ({ done }: { done: number }) => done > 100 && stop.abort();
    const stopped = await runStage(folder, evaluateKind, { params, inputs, progress, stop: stop.signal, onReport });
    assertEquals(stopped.end?.status, "interrupted");
    assertEquals(digests(await runStage(folder, evaluateKind, { params, inputs, progress })), digests(straight));
  });
});

Deno.test("evaluate measures raw and averaged weights of every objective, and learned variances", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    for (const train of [{ objective: "mu" }, { objective: "v", variance: "learned" }]) {
      const { outputs } = await trainSmall(folder, world, { params: { ...train, steps: 3 } });
      const totals: number[] = [];
      for (const weights of ["raw", "ema"]) {
        const metrics = await metricsOf(
          await runStage(folder, evaluateKind, {
            params: { weights, buckets: 2, bound: { timesteps: 5 } },
            inputs: { checkpoint: outputs["checkpoint"]!, images: world.test },
          }),
        );
        assert(metrics.every(({ value }) => Number.isFinite(value)));
        const { note, value } = metrics.find(({ name }) => name === "bits/dim")!;
        assertStringIncludes(note!, train.variance === "learned" ? "variance learned" : "variance fixedlarge");
        totals.push(value);
      }
      assert(totals[0] !== totals[1]);
    }
  });
});

Deno.test("evaluate's check refuses a bound of more timesteps than there are, or of a variance that is not learned", () => {
  const images = { count: 10, height: 8, width: 8, channels: 1 };
  const check = (bound: { timesteps: number; variance?: "learned" }) =>
    evaluateKind.check!(evaluateKind.params.parse({ buckets: 1, bound }), {
      images,
      checkpoint: { ...images, timesteps: 50, learnedVariance: false },
    }).problems.map(({ param }) => param!.join("."));
  assertEquals(check({ timesteps: 50 }), []);
  assertEquals(check({ timesteps: 51 }), ["bound.timesteps"]);
  assertEquals(check({ timesteps: 1 }), ["bound.timesteps"]);
  assertEquals(check({ timesteps: 2, variance: "learned" }), ["bound.variance"]);
});

Deno.test("both clips of the log variance differ in L_0 alone: a perfect prediction costs 1.3 bits or none", () => {
  const thousand = makeTables(makeBetas({ name: "ho/linear", timesteps: 1000 }));
  const bits = (logVarianceClip: "second" | "floor", { t, x0, offset }: { t: number; x0: number; offset: number }) => {
    const work = boundTerms(1, {
      ...OPTIONS,
      path: chainPath(thousand),
      variance: "fixedsmall",
      perImage: 2,
      logVarianceClip,
    });
    const xt = thousand.sqrtAlphasCumprod[t]! * (x0 + offset);
    const one = (value: number) => Float64Array.of(value) as unknown as Float32Array;
    const evaluation = { t, x0: one(x0), noise: one(0), xt: one(xt), prediction: one(0), variance: undefined };
    return work.score(evaluation)[0]!;
  };
  const level = 1 / 127.5;
  const x0 = 128 * level - 1;
  // hojonathanho/diffusion in numpy float64: log scale -4.90836256765, a perfect mean at level 128.
  assertClose(bits("second", { t: 0, x0, offset: 0 }), 1.30566514529, { rel: 1e-8 });
  assertClose(bits("floor", { t: 0, x0, offset: 0 }), 0, { abs: 1e-9 });
  // One level off: the floor of 1e-12 before the logarithm.
  assertClose(bits("floor", { t: 0, x0, offset: level }), 12 * Math.log2(10), { rel: 1e-9 });
  const later = { t: 5, x0, offset: 0.01 };
  assertEquals(bits("second", later), bits("floor", later));
});
