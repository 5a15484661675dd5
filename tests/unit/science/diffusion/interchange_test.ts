import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import {
  fromChainConfig,
  type FullScheduleSpec,
  objectiveProblem,
  toChainConfig,
} from "../../../../science/diffusion/interchange/scheduler_config.ts";
import { InterchangeError } from "../../../../science/diffusion/interchange/problem.ts";
import { fromUnet2dConfig, toUnet2dConfig } from "../../../../science/diffusion/interchange/unet2d_config.ts";
import { fromUnet2dTensors, toUnet2dTensors } from "../../../../science/diffusion/interchange/unet2d_tensors.ts";
import { type NamedArrays, oneHotLabels, predict as predictNetwork } from "../../../../science/diffusion/network.ts";
import { makeBetas, SCHEDULE_NAMES } from "../../../../science/diffusion/schedule/betas.ts";
import type { UnetConfig } from "../../../../science/diffusion/unet/config.ts";
import { schedulerConfigSchema, unet2dConfigSchema } from "../../../../science/diffusion/interchange/config_schemas.ts";
import { unetOf } from "../../../support/unet.ts";
import { assertAllClose } from "./assert_close.ts";
import { type Fixture, fixtureJson, fixturePrediction, FIXTURES, formulaWeights } from "./interchange_weights.ts";

await tf.setBackend("cpu");

const CIFAR: UnetConfig = {
  imageSize: 32,
  inChannels: 3,
  outChannels: 3,
  channels: 128,
  multipliers: [1, 2, 2, 2],
  blocks: 2,
  attention: [16],
};

/**
 * The config.json of Ho et al.'s CIFAR-10 network, as converted by an early version of diffusers: fields are missing.
 */
const OLD_CIFAR = {
  _class_name: "UNet2DModel",
  _diffusers_version: "0.0.4",
  act_fn: "silu",
  attention_head_dim: null,
  block_out_channels: [128, 256, 256, 256],
  center_input_sample: false,
  down_block_types: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
  downsample_padding: 0,
  flip_sin_to_cos: false,
  freq_shift: 1,
  in_channels: 3,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-6,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 32,
  time_embedding_type: "positional",
  up_block_types: ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
};

const problemOf = (translate: () => unknown) => assertThrows(translate, InterchangeError).problem;

function importFixture(fixture: Fixture) {
  const theirs = unet2dConfigSchema.parse(fixtureJson(fixture, "unet/config.json"));
  const config = fromUnet2dConfig(theirs);
  const tensors = formulaWeights(fixtureJson(fixture, "shapes.json"));
  const named = fromUnet2dTensors(tensors, config);
  return { theirs, config, tensors, named };
}

const parseUnet = (config: unknown) => fromUnet2dConfig(unet2dConfigSchema.parse(config));

/** Returns the network's prediction for the fixture's input, [B, C, H, W]. */
function predict(fixture: Fixture, config: UnetConfig, named: NamedArrays) {
  const { x, t } = fixturePrediction(fixture);
  return tf.tidy(() => {
    const network = unetOf(config);
    const weights = Object.fromEntries(
      network.parameters.map(({ name, shape }) => [name, tf.tensor(named[name]!, [...shape])]),
    );
    const images = tf.transpose(tf.tensor(x.data, x.shape), [0, 2, 3, 1]);
    const { classes } = config;
    // The library's inputs are 1 and 3 of four: label 1, and no label.
    const told = classes === undefined
      ? {}
      : { labels: tf.tensor2d(oneHotLabels([1, undefined], classes), [2, classes + 1]) };
    const eps = predictNetwork(network, { weights, x: images, t: tf.tensor1d(t.data, "int32"), ...told });
    return tf.transpose(eps, [0, 3, 1, 2]).dataSync();
  });
}

for (const fixture of FIXTURES) {
  Deno.test(`weights of the diffusers network "${fixture}" predict here what they predict there`, () => {
    const { config, named } = importFixture(fixture);
    // float32 of two libraries; the outputs are of order 0.5.
    const tolerance = { abs: 1e-5, label: `${fixture} output` };
    assertAllClose(predict(fixture, config, named), fixturePrediction(fixture).output.data, tolerance);
  });

  Deno.test(`the betas of the diffusers scheduler "${fixture}" are ours`, () => {
    const config = schedulerConfigSchema.parse(fixtureJson(fixture, "scheduler/scheduler_config.json"));
    const { spec, betas, objective } = fromChainConfig(config);
    assertEquals([spec.name, objective], fixture === "flipped" ? ["ldm/cosine", "v"] : ["ho/linear", "eps"]);
    assertAllClose(betas, fixturePrediction(fixture).betas.data, { rel: 1e-6 });
  });
}

/** Details that leave all shapes as they are: a network that ignores one computes another function. */
const DETAILS: readonly (readonly [fixture: Fixture, change: Partial<UnetConfig>])[] = [
  ["flipped", { cosinesFirst: false }],
  ["defaults", { frequencyShift: 1 }],
  ["defaults", { cosinesFirst: false }],
  ["defaults", { downsamplePadding: 0 }],
  ["defaults", { normEpsilon: 1e-2 }],
  ["defaults", { headWidth: 64 }],
  ["defaults", { groups: 16 }],
  ["mixed", { groups: 32 }],
  ["mixed", { headWidth: 8 }],
];

for (const [fixture, change] of DETAILS) {
  Deno.test(`the prediction of "${fixture}" depends on ${JSON.stringify(change)}`, () => {
    const { config, named } = importFixture(fixture);
    const { output } = fixturePrediction(fixture);
    const errors = predict(fixture, { ...config, ...change }, named).map((v, i) => Math.abs(v - output.data[i]!));
    assert(Math.max(...errors) > 1e-3, `${Math.max(...errors)}`);
  });
}

for (const fixture of FIXTURES) {
  Deno.test(`export gives back the names, shapes, numbers and config of "${fixture}" that the library saved`, () => {
    const { theirs, config, tensors, named } = importFixture(fixture);
    const exported = toUnet2dTensors(named, config);
    assertEquals(Object.keys(exported).sort(), Object.keys(tensors).sort());
    for (const [name, { shape, data }] of Object.entries(exported)) {
      assertEquals(shape, tensors[name]!.shape);
      assert(data.every((value, i) => value === tensors[name]!.data[i]), name);
    }
    assertEquals(toUnet2dConfig(config), theirs);
  });
}

Deno.test("attention under the names of early releases is read", () => {
  const { config, tensors, named } = importFixture("flipped");
  const names = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
  const older = Object.fromEntries(
    Object.entries(tensors).map((
      [name, tensor],
    ) => [name.replace(/to_(q|k|v|out\.0)/, (part) => names[part as keyof typeof names]), tensor]),
  );
  assertEquals(Object.keys(older).filter((name) => name.includes("query")).length, 2 * 6);
  assertEquals(fromUnet2dTensors(older, config), named);
});

Deno.test("the network of the paper is expressed in both directions, and old configs get the library's defaults", () => {
  const theirs = toUnet2dConfig(CIFAR);
  assertEquals(theirs.norm_num_groups, 32);
  assertEquals(theirs.down_block_types, OLD_CIFAR.down_block_types);
  assertEquals(theirs.up_block_types, OLD_CIFAR.up_block_types);
  assertEquals(fromUnet2dConfig(theirs), CIFAR);
  assertEquals(parseUnet(OLD_CIFAR), CIFAR);
});

Deno.test("networks whose layers have different numbers of groups are refused, with the params that work", () => {
  const problem = problemOf(() => toUnet2dConfig({ ...CIFAR, channels: 32 }));
  assertEquals(problem.got, "channels 32: 8, 16, 24, 32 groups");
  assertStringIncludes(problem.fix, "multiple of 32 and at least 128");
  for (const channels of [128, 160, 256]) assertEquals(toUnet2dConfig({ ...CIFAR, channels }).norm_num_groups, 32);
  assertEquals(toUnet2dConfig({ ...CIFAR, channels: 32, groups: 16 }).norm_num_groups, 16);
  const wider = problemOf(() => toUnet2dConfig({ ...CIFAR, multipliers: [2, 2, 2, 2] }));
  assertEquals([wider.got, wider.wanted], ["multipliers: [2, 2, 2, 2]", "1 as the first of them"]);
});

Deno.test("a UNet2DModel of another function is refused by the field that makes it so", () => {
  const cases: [Record<string, unknown>, string, string][] = [
    [{ freq_shift: 2 }, "freq_shift", "0 or 1"],
    [{ downsample_padding: 2 }, "downsample_padding", "0 or 1"],
    [{ norm_num_groups: null }, "norm_num_groups", "the number of groups"],
    [{ attn_norm_num_groups: 16 }, "attn_norm_num_groups", "32"],
    [{ resnet_time_scale_shift: "scale_shift" }, "resnet_time_scale_shift", '"default"'],
    [{ class_embed_type: "timestep" }, "class_embed_type", "null"],
    [{ out_channels: 4 }, "out_channels", "3, or 6 with a learned variance"],
    [{ sample_size: null }, "sample_size", "the side of images, or height and width"],
    [{ sample_size: [32, 64, 64] }, "sample_size", "the side of images, or height and width"],
    [{ block_out_channels: [128, 192, 256, 256] }, "block_out_channels", "multiples of the first, 128"],
  ];
  for (const [change, field, wanted] of cases) {
    const problem = problemOf(() => parseUnet({ ...OLD_CIFAR, ...change }));
    assert(problem.message.endsWith(`: ${field}`), problem.message);
    assertEquals(problem.wanted, wanted);
  }
  const mirrored = { ...OLD_CIFAR, up_block_types: [...OLD_CIFAR.up_block_types].reverse() };
  assertStringIncludes(problemOf(() => parseUnet(mirrored)).message, "down_block_types, up_block_types");
});

Deno.test("an unknown field of a config is refused, since it could change what the network computes", () => {
  assertEquals(unet2dConfigSchema.safeParse({ ...OLD_CIFAR, attention_rotary: true }).success, false);
});

Deno.test("one head as wide as every layer that attends is one head, under any of its two spellings", () => {
  assertEquals(parseUnet({ ...OLD_CIFAR, attention_head_dim: 256 }), CIFAR);
});

Deno.test("a network for images that are not square is written and read with both sides", () => {
  const wide = { ...CIFAR, imageWidth: 64 };
  assertEquals(parseUnet({ ...OLD_CIFAR, sample_size: [32, 64] }), wide);
  assertEquals(toUnet2dConfig(wide).sample_size, [32, 64]);
});

Deno.test("all weights that do not fit the config are named, with both shapes", () => {
  const { config, tensors } = importFixture("flipped");
  const { "conv_in.bias": bias, ...without } = tensors;
  const got = (changed: typeof tensors) => problemOf(() => fromUnet2dTensors(changed, config)).got;
  assertEquals(got(without), "conv_in.bias: none in the checkpoint, [128] in the network");
  assertEquals(
    got({
      ...tensors,
      "conv_in.bias": { shape: [2, 64], data: bias!.data },
      "conv_out.bias": { shape: [9], data: bias!.data },
      "class_embedding.weight": bias!,
    }),
    "conv_in.bias: [2, 64] in the checkpoint, [128] in the network\n" +
      "conv_out.bias: [9] in the checkpoint, [2] in the network\n" +
      "class_embedding.weight: [128] in the checkpoint, none in the network",
  );
});

Deno.test("every schedule survives the way to a scheduler config and back", () => {
  for (const name of SCHEDULE_NAMES) {
    for (const zeroTerminalSnr of name === "ho/jsd" ? [false] : [false, true]) {
      const spec: FullScheduleSpec = {
        name,
        timesteps: 50,
        linearStart: 1e-3,
        linearEnd: 0.1,
        cosineS: 8e-3,
        ...(zeroTerminalSnr ? { zeroTerminalSnr } : {}),
      };
      const chain = { spec, betas: makeBetas(spec), objective: "v" as const };
      const config = toChainConfig(chain, false);
      assertEquals(fromChainConfig(config, spec), chain);
      // Without a record of its origin, the imported schedule may get another name with the same betas.
      const foreign = () => fromChainConfig(config);
      if (zeroTerminalSnr && config.trained_betas !== null) {
        assertStringIncludes(problemOf(foreign).message, "trained_betas");
      } else {
        assertAllClose(makeBetas(foreign().spec), chain.betas, { rel: 1e-6 });
      }
    }
  }
});

Deno.test("a cosine of another offset goes by its betas, and chains that are not ours are refused", () => {
  const spec: FullScheduleSpec = {
    name: "ldm/cosine",
    timesteps: 20,
    linearStart: 1e-4,
    linearEnd: 2e-2,
    cosineS: 0.02,
  };
  const config = toChainConfig({ spec, betas: makeBetas(spec), objective: "eps" }, false);
  assertEquals(config.trained_betas?.length, 20);
  assertEquals(
    problemOf(() => fromChainConfig({ ...config, trained_betas: null, beta_schedule: "sigmoid" })).got,
    "sigmoid",
  );
  assertEquals(problemOf(() => fromChainConfig({ ...config, num_train_timesteps: 21 })).wanted, "21");
  const mean = objectiveProblem("mu")!;
  assertEquals(mean.wanted, "eps, x0, v");
});
