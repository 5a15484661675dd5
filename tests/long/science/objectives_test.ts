import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { fromBuiltin } from "../../../engine/pipeline/load/kinds.ts";
import { keyParams } from "../../../engine/keys/keys.ts";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { evaluateKind, sampleKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import { OBJECTIVES } from "../../../science/diffusion/objectives.ts";
import { checkPrediction } from "../../../stages/shared/checks.ts";
import { objectiveFacts } from "../../../stages/shared/describe_definition.ts";
import { objectiveNamed } from "../../support/objectives.ts";
import { digests, MemoryProgress, runStage } from "../../support/stage_context.ts";
import { smallWorld, trainSmall, withFolder } from "../../unit/stages/small_world.ts";

const LOSSES = [
  { objective: "x0" },
  { objective: "v", weighting: "min-snr" },
  { objective: "mu", weighting: "vlb" },
  { variance: "learned" },
  { objective: "v", weighting: "vlb", variance: "learned", timestepSampler: "loss-aware" },
];

Deno.test("train learns every objective, and gives the same bytes straight, and stopped and resumed", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    for (const loss of LOSSES) {
      const params = { ...loss, steps: 4 };
      const straight = await trainSmall(folder, world, { params });
      assertEquals(straight.end, undefined);
      const log = (await straight.outputs["log"]!.readText("log.jsonl")).trimEnd().split("\n");
      assert(log.every((line) => Number.isFinite(JSON.parse(line).loss)));
      const { config } = await readCheckpoint(straight.outputs["checkpoint"]!, "ema", []);
      assertEquals<unknown>(config.objective ?? "eps", loss.objective ?? "eps");
      assertEquals(config.model.outChannels, loss.variance === "learned" ? 2 : 1);

      const progress = new MemoryProgress();
      const stop = new AbortController();
      const onReport = ({ done }: { done: number }) => done === 2 && stop.abort();
      await trainSmall(folder, world, { params, progress, stop: stop.signal, onReport });
      assertEquals(progress.steps, [2]);
      assertEquals(digests(await trainSmall(folder, world, { params, progress })), digests(straight));
    }
  });
});

Deno.test("a checkpoint that says nothing of its objective predicts the noise", async () => {
  await withFolder(async (folder) => {
    const { outputs } = await trainSmall(folder, await smallWorld(folder), { params: { steps: 1 } });
    const config = JSON.parse(await outputs["checkpoint"]!.readText("config.json"));
    assertEquals("objective" in config, false);
    const { objective } = await readCheckpoint(outputs["checkpoint"]!, "raw", []);
    assertEquals<unknown>(objective.definition, OBJECTIVES.eps);
  });
});

Deno.test("loss-aware timesteps go on after a stop with the losses that they had seen", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    // Three timesteps, eight images per step: each timestep is visited ten times within a few steps.
    const schedule = await runStage(folder, scheduleKind, {
      params: { betas: "ho/const", linearEnd: 0.9, timesteps: 3 },
    });
    const short = { ...world, schedule: schedule.outputs["schedule"]! };
    const params = { weighting: "vlb", variance: "learned", timestepSampler: "loss-aware", steps: 16 };
    const straight = await trainSmall(folder, short, { params });
    const uniform = await trainSmall(folder, short, { params: { ...params, timestepSampler: "uniform" } });
    assertNotEquals(digests(uniform), digests(straight));
    const progress = new MemoryProgress();
    await trainSmall(folder, short, { params: { ...params, steps: 12 }, progress });
    assertEquals(digests(await trainSmall(folder, short, { params, progress })), digests(straight));
  });
});

Deno.test("params of the loss enter the keys of a train stage only where they are used", () => {
  const kind = fromBuiltin(BUILTIN_KINDS["train"]!);
  const keysOf = (params: Record<string, unknown>) => keyParams(kind, trainKind.params.parse({ steps: 1, ...params }));
  const plain = keysOf({});
  const defaults = {
    objective: "eps",
    weighting: "simple",
    minSnrGamma: 5,
    variance: "fixedlarge",
    timestepSampler: "uniform",
  };
  assertEquals(Object.keys(plain).filter((name) => name in defaults), []);
  assertEquals(keysOf(defaults), plain);
  const others = { objective: "v", weighting: "min-snr", minSnrGamma: 4, variance: "learned" };
  assertEquals(keysOf(others), { ...plain, ...others });

  const sample = fromBuiltin(BUILTIN_KINDS["sample"]!);
  const sampleKeys = (params: Record<string, unknown>) =>
    keyParams(sample, sampleKind.params.parse({ count: 1, ...params }));
  assertEquals(sampleKeys({ clip: "unit", clipQuantile: 0.995 }), sampleKeys({}));
  assertEquals(sampleKeys({ sampler: { name: "ancestral" } })["sampler"], {
    name: "ancestral",
    variance: "fixedlarge",
  });
});

Deno.test("a schedule that ends in pure noise is refused for eps alone", () => {
  const schedule = { zeroTerminalSnr: true };
  const problems = (["eps", "x0", "mu", "v"] as const).map((objective) =>
    checkPrediction(objectiveFacts(objectiveNamed(objective)), schedule).length
  );
  assertEquals(problems, [1, 0, 0, 0]);
  assertEquals(checkPrediction(objectiveFacts(objectiveNamed("eps")), { zeroTerminalSnr: false }), []);
});

Deno.test("params of the loss that change nothing are warned of", () => {
  const warned = (params: Record<string, unknown>) =>
    trainKind.check!(trainKind.params.parse({ steps: 1, ...params }), {}).problems.map(
      ({ severity = "error", param }) => `${severity} ${param}`,
    );
  assertEquals(warned({ variance: "fixedsmall", minSnrGamma: 4 }), ["warning variance", "warning minSnrGamma"]);
  assertEquals(warned({ variance: "fixedsmall", weighting: "vlb" }), []);
  assertEquals(warned({ minSnrGamma: 4, weighting: "min-snr", variance: "learned" }), []);
});

Deno.test("a network that predicts v is trained, sampled and measured on a schedule that ends in pure noise", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const params = { betas: "ldm/linear", timesteps: 50, zeroTerminalSnr: true };
    const made = await runStage(folder, scheduleKind, { params });
    const zeroSnr = { ...world, schedule: made.outputs["schedule"]! };
    const refused = await trainSmall(folder, zeroSnr, { params: { steps: 1 } });
    assert(refused.end?.status === "failed");
    const { outputs } = await trainSmall(folder, zeroSnr, {
      params: { steps: 2, objective: "v", variance: "learned" },
    });
    const checkpoint = outputs["checkpoint"]!;
    const samplers = [
      { name: "ddim", steps: 5 },
      { name: "dpmpp-2m", steps: 5 },
      { name: "heun", steps: 5 },
      { name: "ancestral", variance: "learned" },
    ];
    for (const sampler of samplers) {
      const { end } = await runStage(folder, sampleKind, { params: { count: 1, sampler }, inputs: { checkpoint } });
      assertEquals(end, undefined, sampler.name);
    }
    const evaluated = await runStage(folder, evaluateKind, {
      params: { bound: { timesteps: 50 } },
      inputs: { checkpoint, images: world.test },
    });
    assertEquals(evaluated.end, undefined);
  });
});
