import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { z } from "zod";
import { readImages } from "../../../artifacts/images.ts";
import type { CheckProblem, Facts, OwnDefinition } from "../../../engine/contract/stage.ts";
import { definePath, defineSampler } from "../../../science/diffusion/define.ts";
import { mix } from "../../../science/diffusion/samplers/mix.ts";
import { describeDefinition } from "../../../stages/shared/describe_definition.ts";
import { evaluateKind, inpaintKind, interpolateKind, sampleKind, scheduleKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { smallCheckpoint, smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

/** Euler's method, which computes DDIM's images in another way. */
const euler = defineSampler({
  params: z.strictObject({ steps: z.int().min(1) }),
  times: ({ steps }, path) => path.times(steps),
  async sample({ x, times, path, predict }) {
    for (let k = 0; k + 1 < times.length; k++) {
      const { x0, eps } = await predict(x, times[k]!);
      x = mix([path.signal(times[k + 1]!), x0], [path.noise(times[k + 1]!), eps]);
    }
    return x;
  },
});

const CODE = "ab".repeat(32);
const USES = "./samplers/euler.ts";
const own = (definition: unknown): OwnDefinition[] => [{ sort: "sampler", uses: USES, code: CODE, definition }];

async function samplesOf({ end, outputs }: StageOutcome) {
  assertEquals(end, undefined);
  return await readImages(outputs["samples"]!);
}

const said = ({ end }: StageOutcome) => end?.status === "failed" ? end.message : `ended as ${end?.status}`;

Deno.test("every stage that draws walks with a sampler of one's own, which its images tell as data", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, images } = await smallCheckpoint(folder);
    const common = { batchSize: 4, sampler: { uses: USES, steps: 5 } };
    const kinds = [
      [sampleKind, { count: 5, trajectory: { images: 2, frames: 3 } }, { checkpoint }],
      [inpaintKind, { count: 5, repeats: 2 }, { checkpoint, images }],
      [interpolateKind, { pairs: 1, points: 5, timestep: 30 }, { checkpoint, images }],
    ] as const;
    for (const [kind, params, inputs] of kinds) {
      const run = (options: object, sampler: object = common.sampler) =>
        runStage(folder, kind, {
          params: { ...params, ...common, sampler },
          inputs,
          definitions: own(euler),
          ...options,
        });
      const straight = await run({});
      const { info, pixels } = await samplesOf(straight);
      assertEquals(info.source["sampler"], { uses: "euler.ts", code: CODE, params: { steps: 5 } });
      assertEquals(pixels, (await samplesOf(await run({}, { name: "ddim", steps: 5 }))).pixels);

      const [stop, progress] = [new AbortController(), new MemoryProgress()];
      const onReport = ({ done }: { done: number }) => done >= 5 && stop.abort();
      assertEquals((await run({ progress, stop: stop.signal, onReport })).end, { status: "interrupted", step: 4 });
      assertEquals(digests(await run({ progress })), digests(straight));
    }
  });
});

Deno.test("a sampler of one's own that goes wrong, or ignores that it is told to stop, ends the stage", async () => {
  await withFolder(async (folder) => {
    const { checkpoint, images } = await smallCheckpoint(folder);
    const run = (wrong: object, options: object = {}) =>
      runStage(folder, sampleKind, {
        params: { count: 2, batchSize: 2, sampler: { uses: USES, steps: 3 } },
        inputs: { checkpoint },
        definitions: own(defineSampler({ ...euler, ...wrong })),
        ...options,
      });
    assertStringIncludes(said(await run({ times: () => [3, 4, -1] })), `sampler ${USES}: times: got 4 at place 1`);
    assertStringIncludes(
      said(await run({ sample: ({ x }: { x: Float32Array }) => x.fill(NaN) })),
      "a number that is NaN",
    );
    const stop = new AbortController();
    const stubborn = {
      async sample({ x, predict }: { x: Float32Array; predict: (x: Float32Array, t: number) => Promise<unknown> }) {
        await predict(x, 9).catch(() => undefined);
        return x;
      },
    };
    const stopped = await run(stubborn, { stop: stop.signal, onReport: () => stop.abort() });
    assertEquals(stopped.end, { status: "interrupted", step: 0 });

    const late = { times: () => [40, 35, -1] };
    const low = await runStage(folder, interpolateKind, {
      params: { pairs: 1, timestep: 20, sampler: { uses: USES, steps: 3 } },
      inputs: { checkpoint, images },
      definitions: own(defineSampler({ ...euler, ...late })),
    });
    assertStringIncludes(said(low), "visits no time this low: got timestep 20, wanted at least 35");
  });
});

Deno.test("a guide changes images where it guides, and must be of the same path", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const train = async (steps: number, of = world) =>
      (await trainSmall(folder, of, { params: { steps } })).outputs["checkpoint"]!;
    const [checkpoint, guide] = [await train(4), await train(1)];
    const draw = (params: object, inputs: object = { guide }) =>
      runStage(folder, sampleKind, {
        params: { count: 2, batchSize: 2, sampler: { name: "heun", steps: 5 }, clip: "none", ...params },
        inputs: { checkpoint, ...inputs },
      });
    const plain = await samplesOf(await draw({}, {}));
    assertEquals(await samplesOf(await draw({})), plain);
    const guided = await samplesOf(await draw({ guidance: 3 }));
    assertNotEquals(guided.pixels, plain.pixels);
    const { guide: told, guidance } = guided.info.source as {
      guide: { digest: string; step: number };
      guidance: number;
    };
    assertEquals([told.digest, told.step, guidance], [guide.digest, 1, 3]);
    // If the guide is the network itself, guidance has no effect.
    const itself = await samplesOf(await draw({ guidance: 3 }, { guide: checkpoint }));
    assert(itself.pixels.every((value, i) => Math.abs(value - plain.pixels[i]!) <= 1));
    const never = await samplesOf(await draw({ guidance: 3, guidanceInterval: { from: 1e5, to: 1e6 } }));
    assertEquals(never.pixels, plain.pixels);

    const linear = await runStage(folder, scheduleKind, { params: { betas: "ho/linear", timesteps: 50 } });
    const other = await train(1, { ...world, schedule: linear.outputs["schedule"]! });
    assertStringIncludes(said(await draw({ guidance: 3 }, { guide: other })), "another noise path");
  });
});

Deno.test("a guide that knows the whole times of a path alone is refused where the network is asked between them", async () => {
  await withFolder(async (folder) => {
    const round = definePath({
      params: z.strictObject({}),
      signal: (u) => Math.cos(u * Math.PI / 2),
      noise: (u) => Math.sin(u * Math.PI / 2),
    });
    const definitions: OwnDefinition[] = [{ sort: "path", uses: "./round.ts", code: CODE, definition: round }];
    const path = await runStage(folder, scheduleKind, { params: { uses: "./round.ts", timesteps: 50 }, definitions });
    const world = { ...await smallWorld(folder), schedule: path.outputs["schedule"]! };
    const train = async (variance: string) => {
      const params = { steps: 1, objective: "v", variance };
      return (await trainSmall(folder, world, { params, definitions })).outputs["checkpoint"]!;
    };
    const [between, whole] = [await train("fixedlarge"), await train("learned")];
    const draw = (checkpoint: typeof between, guide: typeof between) =>
      runStage(folder, sampleKind, {
        params: { count: 1, batchSize: 1, sampler: { name: "ddim", steps: 7 }, guidance: 2 },
        inputs: { checkpoint, guide },
        definitions,
      });
    assertStringIncludes(said(await draw(between, whole)), "whole times");
    await samplesOf(await draw(whole, between));
  });
});

Deno.test("checks refuse guidance that does not fit before anything runs", () => {
  const facts = { height: 8, width: 8, channels: 1, timesteps: 50, classes: null, variancePreserving: true };
  const check = (params: object, guide?: Facts, checkpoint: Facts = facts) => {
    const inputs = { checkpoint, ...(guide === undefined ? {} : { guide }) };
    const { problems } = sampleKind.check!(sampleKind.params.parse({ count: 4, ...params }), inputs);
    return problems.map(({ severity = "error", param, input }: CheckProblem) =>
      `${severity} ${param?.join(".") ?? input}`
    );
  };
  assertEquals(check({ guidance: 2 }, facts), []);
  assertEquals(check({}, facts), ["warning guidance"]);
  assertEquals(check({ guidance: 2 }, { ...facts, height: 9, timesteps: 40 }), ["error guide", "error guide"]);
  assertEquals(check({ guidance: 2 }, { ...facts, classes: 3, variancePreserving: false }), [
    "error guide",
    "error guide",
  ]);
  const empty = sampleKind.params.safeParse({ count: 4, guidance: 2, guidanceInterval: { from: 2, to: 1 } });
  assertEquals(empty.error?.issues.map(({ path }) => path.join(".")), ["guidanceInterval.from"]);
  assertEquals(check({ guidanceInterval: { from: 1, to: 2 } }), ["warning guidance"]);
  const free = { ...facts, ownSampler: "mine.ts" };
  assertEquals(check({ guidance: 2 }, facts, free), ["error sampler", "error guidance"]);
  assertEquals(check({}, undefined, free), ["error sampler"]);
});

Deno.test("what a sampler of one's own needs of the path is known before anything runs", () => {
  const facts = { height: 8, width: 8, channels: 1, timesteps: 50, classes: null, variancePreserving: false };
  const check = (sampler: object, said: Record<string, unknown>) =>
    sampleKind.check!({ ...sampleKind.params.parse({ count: 4 }), sampler } as never, { checkpoint: facts }, {
      sampler: said,
    }).problems.map(({ message }: CheckProblem) => message);
  assertEquals(check({ uses: USES }, describeDefinition(euler, {})), []);
  const needy = describeDefinition(defineSampler({ ...euler, needs: "chain" }), {});
  assertStringIncludes(check({ uses: USES }, needy).join(), "needs the chain");
  assertStringIncludes(check({ name: "ancestral", variance: "fixedlarge" }, {}).join(), "needs the chain");
});

Deno.test("a network of a straight path is drawn from by every sampler that needs no chain, and measured", async () => {
  await withFolder(async (folder) => {
    const straight = definePath({ params: z.strictObject({}), signal: (u) => 1 - u, noise: (u) => u });
    const definitions: OwnDefinition[] = [{ sort: "path", uses: "./straight.ts", code: CODE, definition: straight }];
    const world = await smallWorld(folder);
    const path = await runStage(folder, scheduleKind, {
      params: { uses: "./straight.ts", timesteps: 50 },
      definitions,
    });
    const schedule = path.outputs["schedule"]!;
    const trained = await trainSmall(folder, { ...world, schedule }, {
      params: { steps: 2, objective: "v" },
      definitions,
    });
    assertEquals(trained.end, undefined);
    const checkpoint = trained.outputs["checkpoint"]!;
    const draw = (sampler: object) =>
      runStage(folder, sampleKind, {
        params: { count: 2, batchSize: 2, sampler },
        inputs: { checkpoint },
        definitions,
      });
    // These samplers visit times that are at least half a timestep apart.
    for (const sampler of [{ name: "ddim", steps: 40 }, { name: "dpmpp-2m", steps: 7 }, { name: "heun", steps: 4 }]) {
      assertEquals((await samplesOf(await draw(sampler))).info.count, 2);
    }
    assertStringIncludes(
      said(await draw({ name: "ancestral" })),
      "needs the chain of a path that preserves the variance",
    );
    const measure = (params: object) =>
      runStage(folder, evaluateKind, {
        params: { buckets: 2, ...params },
        inputs: { checkpoint, images: world.test },
        definitions,
      });
    assertEquals((await measure({})).end, undefined);
    assertStringIncludes(said(await measure({ bound: { timesteps: 5 } })), "does not preserve the variance");
  });
});
