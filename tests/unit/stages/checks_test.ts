import { assertEquals } from "@std/assert";
import { BUILTIN_KINDS } from "../../../stages/mod.ts";
import { evaluateKind, exportKind, sampleKind, scoreKind, trainKind } from "../../support/builtin_kinds.ts";
import type { CheckProblem, CheckResult } from "../../../engine/contract/stage.ts";
import { forwardGflop } from "../../../science/diffusion/unet/work.ts";
import { assertClose } from "../science/diffusion/assert_close.ts";

const DIGITS = { count: 100, height: 28, width: 28, channels: 1, classes: 10 };

const summary = ({ problems }: CheckResult) =>
  problems.map(({ param, input, got, wanted }: CheckProblem) => [(param ?? [input]).join("."), got, wanted]);

Deno.test("train's check compares the network and the batch with the images", () => {
  const check = (params: Record<string, unknown>, images: Record<string, unknown> | undefined) =>
    trainKind.check!(trainKind.params.parse({ steps: 10, batchSize: 10, ...params }), {
      ...(images === undefined ? {} : { images }),
      schedule: { timesteps: 1000, betas: "ldm/cosine" },
    });
  assertEquals(summary(check({}, DIGITS)), [[
    "model.multipliers",
    "28",
    "a multiple of 8 for 4 levels, such as 24 or 32; 28 works with at most 3 levels",
  ]]);
  const model = { channels: 30, multipliers: [1, 2], attention: [16] };
  assertEquals(summary(check({ model: { ...model, channels: 31 }, batchSize: 101 }, DIGITS)), [
    ["model.channels", "31", "an even integer >= 4 (half sines, half cosines of the timestep)"],
    ["model.attention", "16", "resolutions of this network: 28, 14"],
    ["batchSize", "101", "at most 100"],
  ]);
  const twoLevels = { channels: 32, multipliers: [1, 2], attention: [14] };
  assertEquals(summary(check({ model: twoLevels }, { ...DIGITS, width: 32 })), []);
  assertEquals(summary(check({ model: twoLevels }, { ...DIGITS, width: 33 })), [
    ["model.multipliers", "33", "a multiple of 2 for 2 levels, such as 32 or 34; 33 works with at most 1 level"],
  ]);
  assertEquals(check({}, undefined).problems, []);
  for (const [height, width] of [[1, 256], [256, 1], [1, 1], [1, 40]]) {
    const [{ message, got, wanted, fix }] = check({ model: twoLevels }, { ...DIGITS, height, width }).problems as [
      CheckProblem,
    ];
    assertEquals(message, `the network does not fit images of ${height}x${width}x1: model.multipliers`);
    assertEquals([got, wanted], ["1", "two sides that halve"]);
    assertEquals(fix!.split(", ")[0], "give signals one level");
  }
  assertEquals(
    summary(check({ model: { channels: 8, multipliers: [1], attention: [1] } }, { ...DIGITS, height: 1 })),
    [],
  );
});

Deno.test("facts flow from train to evaluate and sample", () => {
  const params = { steps: 10, batchSize: 10, model: { channels: 32, multipliers: [1, 2], blocks: 1, attention: [4] } };
  const images = { ...DIGITS, height: 8, width: 8 };
  const trained = trainKind.check!(trainKind.params.parse(params), {
    images,
    schedule: { timesteps: 40, betas: "ldm/cosine" },
  });
  const checkpoint = trained.facts!["checkpoint"]!;
  // 10 steps of 10 images, one forward pass and a backward pass that costs twice as much, 0.0324 GFLOP each.
  assertClose(trained.workGflop!, 3 * 100 * 0.0324, { rel: 2e-3 });

  const sample = sampleKind.check!(sampleKind.params.parse({ count: 65, batchSize: 64 }), { checkpoint });
  assertEquals(summary(sample), [[
    "sampler.steps",
    "50",
    "at most 40, the timesteps of the checkpoint's schedule",
  ]]);
  assertEquals(sample.facts, { samples: { count: 65, height: 8, width: 8, channels: 1, classes: null } });

  const evaluate = evaluateKind.check!(evaluateKind.params.parse({ buckets: 50, limit: 45 }), {
    checkpoint,
    images: DIGITS,
  });
  assertEquals(summary(evaluate), [
    ["buckets", "50", "at most 45"],
    ["buckets", "50", "at most 40"],
    ["images", "28x28x1", "8x8x1"],
  ]);
  const score = scoreKind.check!(scoreKind.params.parse({}), { real: DIGITS, fake: sample.facts!["samples"]! });
  assertEquals(summary(score), [["fake", "8x8x1", "28x28x1"]]);
});

Deno.test("forwardGflop() agrees with published and separately computed counts", () => {
  const cifar = { channels: 128, multipliers: [1, 2, 2, 2], blocks: 2, attention: [16] };
  // Multiply-adds of the network of Ho et al. for CIFAR10, convolutions, products and attention: 6.2219e9.
  assertClose(forwardGflop({ imageSize: 32, inChannels: 3, outChannels: 3, ...cifar }), 12.4438, { rel: 1e-4 });
});

Deno.test("every built-in kind has an entry with a run function", async () => {
  const names = [
    ..."autoencoder classifier command dataset decode demo encode evaluate export features images import inpaint interpolate neighbours sample schedule score select statistics train"
      .split(" "),
  ];
  assertEquals(Object.keys(BUILTIN_KINDS).sort(), names);
  for (const [name, kind] of Object.entries(BUILTIN_KINDS)) {
    assertEquals(kind.kind, name);
    const entry = await import(kind.entry);
    assertEquals(typeof entry.default, "function");
  }
});

Deno.test("export's check refuses what diffusers cannot hold, from the params of the training", () => {
  const check = (params: Record<string, unknown>, betas = "ldm/cosine") => {
    const trained = trainKind.check!(trainKind.params.parse({ steps: 10, batchSize: 10, ...params }), {
      images: { ...DIGITS, height: 8, width: 8 },
      schedule: { timesteps: 40, betas },
    });
    return summary(
      exportKind.check!(exportKind.params.parse({ format: "diffusers" }), {
        checkpoint: trained.facts!["checkpoint"]!,
      }),
    );
  };
  const model = { channels: 128, multipliers: [1, 2], blocks: 1, attention: [4] };
  assertEquals(check({ model }), []);
  assertEquals(check({ model, objective: "mu" }), [["checkpoint", "objective mu", "eps, x0, v"]]);
  for (const betas of ["own betas", "./path.ts"]) {
    assertEquals(check({ model }, betas), [["checkpoint", betas, "one that comes with the toolkit"]]);
  }
  // Layers of 4 to 12 channels have different numbers of groups.
  assertEquals(check({ model: { ...model, channels: 4, multipliers: [1, 2, 3], attention: [] } }).length, 1);
  assertEquals(exportKind.check!(exportKind.params.parse({ format: "diffusers" }), {}), { problems: [] });
});

Deno.test("sample warns about a quantile that its clip does not read", () => {
  const warned = (params: object) =>
    sampleKind.check!(sampleKind.params.parse({ count: 1, ...params }), {
      checkpoint: { timesteps: 100, classes: null },
    })
      .problems.map(({ severity, param }) => `${severity} ${param}`);
  assertEquals([warned({}), warned({ clipQuantile: 0.995 }), warned({ clip: "dynamic", clipQuantile: 0.9 })], [
    [],
    [],
    [],
  ]);
  for (const clip of ["unit", "none"]) assertEquals(warned({ clip, clipQuantile: 0.9 }), ["warning clipQuantile"]);
});
