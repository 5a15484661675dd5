import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { facts, readCheckpoint, validate } from "../../../artifacts/checkpoint.ts";
import type { OwnDefinition } from "../../../contract/stage.ts";
import {
  defineNetwork,
  defineObjective,
  definePath,
  type FreeObjective,
  type MixtureObjective,
  type NetworkCode,
  sortOf,
  type TimePoint,
} from "../../../diffusion/define.ts";
import { dense, denseParameters, silu, timeEmbedding } from "../../../diffusion/layers.ts";
import unet from "../../../diffusion/unet/network.ts";

import type { Sort } from "../../../schemas/definitions.ts";
import { describeDefinition } from "../../../stages/shared/describe_definition.ts";
import { exportKind, scheduleKind, trainKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { SMALL_TRAINING, smallWorld, trainSmall, withFolder } from "./small_world.ts";

const none = z.strictObject({});

/** Quick to compile. */
const MODEL = { model: { uses: "./mlp.ts", width: 16 } };

/** Two dense layers over all pixels, told the time and the label, with dropout between. */
const mlp = defineNetwork({
  params: z.strictObject({ width: z.int().default(16) }),
  build({ height, width: columns, channels, outChannels, classes = 0 }, { width }) {
    const pixels = height * columns;
    const told = classes === 0 ? 0 : classes + 1;
    return {
      parameters: [
        ...denseParameters("in", pixels * channels + 8 + told, width),
        ...denseParameters("out", width, pixels * outChannels),
        { name: "shift", shape: [1], init: { normal: 0.1 } },
      ],
      forward({ weights, x, t, labels, dropout }) {
        const flat = tf.reshape(x, [-1, pixels * channels]);
        const all = tf.concat([flat, timeEmbedding(t, 8), ...(labels === undefined ? [] : [labels])], 1);
        const h = dropout(silu(dense(weights, "in", all)));
        return tf.add(tf.reshape(dense(weights, "out", h), [-1, height, columns, outChannels]), weights["shift"]!);
      },
    };
  },
});

const vLike = defineObjective({
  params: none,
  target: ({ signal, noise }) => ({ x0: -noise, noise: signal }),
});

const codeOf = (uses: string) => uses.charCodeAt(2).toString(16).repeat(32);
const own = (definitions: Readonly<Record<string, unknown>>): OwnDefinition[] =>
  Object.entries(definitions).map(([uses, definition]) => ({
    sort: sortOf(definition) as Sort,
    uses,
    code: codeOf(uses),
    definition,
  }));

const said = ({ end }: StageOutcome) => end?.status === "failed" ? end.message : `ended as ${end?.status}`;

async function vectorsOf({ end, outputs }: StageOutcome) {
  assertEquals(end, undefined);
  const [weights, ema] = await Promise.all(
    ["weights", "ema"].map((name) => outputs["checkpoint"]!.read(`${name}.safetensors`)),
  );
  return { weights, ema };
}

async function lossesOf({ end, outputs }: StageOutcome): Promise<number[]> {
  assertEquals(end, undefined);
  const lines = (await outputs["log"]!.readText("log.jsonl")).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line).loss);
}

Deno.test("a network of one's own is trained, resumed to the same bytes and read back by its digest", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const definitions = own({ "./nets/mlp.ts": mlp });
    const params = { model: { uses: "./nets/mlp.ts", width: 16 }, labels: { drop: 0.1 }, dropout: 0.1, steps: 6 };
    const straight = await trainSmall(folder, world, { params, definitions });
    const losses = await lossesOf(straight);
    assert(losses.every(Number.isFinite));

    const progress = new MemoryProgress();
    const stop = new AbortController();
    const onReport = ({ done }: { done: number }) => done === 3 && stop.abort();
    await trainSmall(folder, world, { params, definitions, progress, stop: stop.signal, onReport });
    assertEquals(progress.steps, [3]);
    assertEquals(digests(await trainSmall(folder, world, { params, definitions, progress })), digests(straight));

    const checkpoint = straight.outputs["checkpoint"]!;
    const { config, network, params: weights } = await readCheckpoint(checkpoint, "ema", definitions);
    const code = codeOf("./nets/mlp.ts");
    assertEquals(config.model, {
      ...{ uses: "mlp.ts", code, params: { width: 16 } },
      ...{ height: 8, width: 8, inChannels: 1, outChannels: 1, classes: 10 },
    });
    assertEquals(weights.length, network.count);
    // Another file of the same code is as good; without the code the artifact is still whole.
    await readCheckpoint(checkpoint, "raw", [{ ...definitions[0]!, uses: "./elsewhere.ts" }]);
    await validate(checkpoint);
    const { learnedVariance, network: named, objective, variancePreserving } = await facts(checkpoint);
    assertEquals<unknown>([learnedVariance, named, objective, variancePreserving], [false, config.model, "eps", true]);

    const edited = [{ ...definitions[0]!, code: "0".repeat(64) }];
    const refused = await runStage(folder, exportKind, {
      params: { format: "diffusers" },
      inputs: { checkpoint },
      definitions,
    });
    assertStringIncludes(said(refused), "diffusers knows no network of one's own: got mlp.ts");
    for (const here of [edited, []]) {
      const error = await readCheckpoint(checkpoint, "ema", here).then(() => undefined, (error) => error);
      assertStringIncludes(error.message, `wanted digest ${code}`);
      assertStringIncludes(error.message, here.length === 0 ? "got no network" : `got ./nets/mlp.ts with digest 000`);
      assertStringIncludes(error.fix, "mlp.ts");
    }
  });
});

Deno.test("the U-Net as a definition of one's own, and v as an objective of one's own, train to the same bytes", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const { model } = SMALL_TRAINING;
    const definitions = own({ "./unet.ts": unet, "./v.ts": vLike });
    const params = { steps: 2, dropout: 0.1, variance: "learned" };
    const builtin = await trainSmall(folder, world, { params: { ...params, objective: "v" } });
    const mine = await trainSmall(folder, world, {
      params: { ...params, model: { uses: "./unet.ts", ...model }, objective: { uses: "./v.ts" } },
      definitions,
    });
    assertEquals(await vectorsOf(mine), await vectorsOf(builtin));
  });
});

/** The loss of eps written out, and what a free loss may use beside it. */
const freeEps = (more: Partial<FreeObjective<typeof none>> = {}): FreeObjective<typeof none> =>
  defineObjective({
    params: none,
    loss: ({ predict, noise, xt, t }) => tf.mean(tf.square(tf.sub(noise, predict(xt, t))), [1, 2, 3]),
    recover: ({ signal, noise }) => ({ xt: 1 / signal, output: -noise / signal }),
    ...more,
  });

Deno.test("a loss of one's own that is that of eps trains to the same weights, in parts as at once", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    for (const more of [{ dropout: 0.1 }, { microBatches: 2 }, { timestepSampler: "loss-aware" }]) {
      const params = { ...MODEL, steps: 3, ...more };
      const builtin = await lossesOf(
        await trainSmall(folder, world, { params, definitions: own({ "./mlp.ts": mlp }) }),
      );
      const mine = await lossesOf(
        await trainSmall(folder, world, {
          params: { ...params, objective: { uses: "./free.ts" } },
          definitions: own({ "./mlp.ts": mlp, "./free.ts": freeEps() }),
        }),
      );
      // The same sums in another order of operations, in float32.
      mine.forEach((loss, i) => assert(Math.abs(loss - builtin[i]!) < 1e-5 * builtin[i]!, `${loss} ${builtin[i]}`));
    }
  });
});

Deno.test("a loss of one's own asks several times, at another time, with averaged weights and no gradient", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    // Two calls drop alike: their difference is nothing. The averaged weights are the weights at the first step.
    const consistent = freeEps({
      figures: ({ path, t }) => {
        const before = Math.max(0, t - 1);
        return { before, signal: path.signal(before), noise: path.noise(before) };
      },
      loss({ predict, x0, noise, xt, t, figures, stopGradient }) {
        const error = (a: tf.Tensor, b: tf.Tensor) => tf.mean(tf.square(tf.sub(a, b)), [1, 2, 3]);
        const said = predict(xt, t);
        const x = tf.add(tf.mul(figures["signal"]!, x0), tf.mul(figures["noise"]!, noise));
        const before = tf.reshape(figures["before"]!, [-1]);
        const target = stopGradient(predict(x, before, { averaged: true }));
        const again = tf.mul(1e6, error(said, predict(xt, t)));
        return tf.add(tf.add(error(said, noise), again), tf.mul(0, error(said, target)));
      },
    });
    const plain = { ...MODEL, steps: 3, dropout: 0.1, objective: { uses: "./free.ts" } };
    const definitions = own({ "./mlp.ts": mlp, "./free.ts": consistent });
    const reference = await lossesOf(
      await trainSmall(folder, world, { params: { ...MODEL, steps: 3, dropout: 0.1 }, definitions }),
    );
    for (const microBatches of [1, 2]) {
      const losses = await lossesOf(
        await trainSmall(folder, world, { params: { ...plain, microBatches }, definitions }),
      );
      assert(losses.every(Number.isFinite));
      if (microBatches === 1) losses.forEach((loss, i) => assert(Math.abs(loss - reference[i]!) < 1e-4));
    }
  });
});

Deno.test("a network learns on a path of one's own at the times that it draws, also between the indices", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const flow = definePath({ params: none, signal: (u) => 1 - u, noise: (u) => u });
    const seen: number[] = [];
    const velocity = defineObjective({
      params: none,
      target: ({ t }) => {
        seen.push(t);
        return { x0: -1, noise: 1 };
      },
      weight: ({ noise }) => 0.5 + noise,
    });
    const definitions = own({ "./mlp.ts": mlp, "./flow.ts": flow, "./velocity.ts": velocity });
    const schedule = await runStage(folder, scheduleKind, {
      params: { uses: "./flow.ts", timesteps: 20 },
      definitions,
    });
    assertEquals(schedule.end, undefined);
    const straight = { ...world, schedule: schedule.outputs["schedule"]! };
    const params = { ...MODEL, steps: 3, objective: { uses: "./velocity.ts" }, lossBuckets: 2 };
    const trained = await trainSmall(folder, straight, { params, definitions });
    assert((await lossesOf(trained)).every(Number.isFinite));
    assert(seen.some((t) => !Number.isInteger(t)) && seen.every((t) => t >= -1 && t <= 19));
    const { path, objective, config } = await readCheckpoint(trained.outputs["checkpoint"]!, "raw", definitions);
    assertEquals([path.continuous, path.signal(9), config.timesteps], [true, 0.5, 20]);
    // x_1 = x_0 + (1 - u) ... : the straight line solved for x_0 is x_t - u (eps - x_0).
    assertEquals(objective.recover!({ path, t: 9, signal: 0.5, noise: 0.5 }).x0, { xt: 1, output: -0.5 });
    assertEquals((await facts(trained.outputs["checkpoint"]!)).variancePreserving, false);

    // What needs a chain takes a path that preserves the variance at the times of its tables.
    const cosine = definePath({ params: none, signal: (u) => Math.cos(u * 1.57), noise: (u) => Math.sin(u * 1.57) });
    const preserving = own({ "./cosine.ts": cosine, "./mlp.ts": mlp });
    const chain = await runStage(folder, scheduleKind, {
      params: { uses: "./cosine.ts", timesteps: 20 },
      definitions: preserving,
    });
    const onChain = await trainSmall(folder, { ...world, schedule: chain.outputs["schedule"]! }, {
      params: { ...MODEL, steps: 2, objective: "mu", variance: "learned" },
      definitions: preserving,
    });
    assert((await lossesOf(onChain)).every(Number.isFinite));
    const whole = await readCheckpoint(onChain.outputs["checkpoint"]!, "raw", preserving);
    assertEquals([whole.path.continuous, whole.path.timesteps], [false, 20]);

    // Losses tell times of the tables apart; then the times are whole.
    seen.length = 0;
    await lossesOf(
      await trainSmall(folder, straight, { params: { ...params, timestepSampler: "loss-aware" }, definitions }),
    );
    assert(seen.every(Number.isInteger));
    for (const wrong of [{ variance: "learned" }, { weighting: "vlb" }, { objective: "mu" }]) {
      const refused = await trainSmall(folder, straight, {
        params: { steps: 1, objective: "x0", ...wrong },
        definitions,
      });
      assertStringIncludes(said(refused), "needs a schedule that preserves the variance");
    }
  });
});

Deno.test("what does not fit an objective of one's own is said before anything runs", () => {
  const check = (definition: unknown, params: object) =>
    trainKind.check!({ ...trainKind.params.parse({ steps: 1, ...params }), objective: { uses: "./mine.ts" } }, {}, {
      objective: describeDefinition(definition, {}),
    }).problems.map(({ param, message }) => `${param}: ${message}`);
  const weighted = { ...vLike, weight: () => 1 };
  assertEquals(check(vLike, { weighting: "min-snr" }), []);
  assertEquals(check(weighted, { weighting: "min-snr" }), [
    "weighting: ./mine.ts is an objective with weights of its own",
  ]);
  assertEquals(check(freeEps(), { weighting: "vlb", variance: "learned" }), [
    "weighting: ./mine.ts is an objective with a loss of its own",
    "variance: ./mine.ts is an objective with a loss of its own",
  ]);
  const facts = { zeroTerminalSnr: true, timesteps: 10, betas: "x" };
  const onZero = (definition: unknown) =>
    trainKind.check!(
      { ...trainKind.params.parse({ steps: 1 }), objective: { uses: "./mine.ts" } },
      { schedule: facts },
      { objective: describeDefinition(definition, {}) },
    ).problems.length;
  assertEquals([onZero(freeEps()), onZero(vLike)], [1, 0]);
});

const SIZE = { height: 8, width: 8 };

/** A network of one layer that is wrong in some way. */
function wrongNetwork(change: Partial<NetworkCode>) {
  return defineNetwork({
    params: none,
    build: () => ({
      parameters: [{ name: "scale", shape: [1], init: "ones" }],
      forward: ({ weights, x }) => tf.mul(x, weights["scale"]!),
      ...change,
    }),
  });
}

Deno.test("code of one's own that cannot be right is refused before the first step, with its file", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    let fixed: string | undefined;
    const messageOf = async (definitions: Readonly<Record<string, unknown>>) => {
      const model = Object.entries(definitions).find(([, one]) => sortOf(one) === "network");
      const objective = Object.entries(definitions).find(([, one]) => sortOf(one) === "objective");
      const params = {
        ...(model === undefined ? {} : { model: { uses: model[0] } }),
        ...(objective === undefined ? {} : { objective: { uses: objective[0] } }),
      };
      const outcome = await trainSmall(folder, world, {
        params: { steps: 1, ...params },
        definitions: own(definitions),
      });
      fixed = outcome.end?.status === "failed" ? outcome.end.fix : undefined;
      return said(outcome);
    };
    const network = (change: Parameters<typeof wrongNetwork>[0]) => messageOf({ "./net.ts": wrongNetwork(change) });
    assertEquals(await network({}), "ended as undefined");

    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.mul(tf.sum(x, 3), weights["scale"]!) }),
      "./net.ts: the shape of the output, for a batch of 2: got float32 [2, 8, 8], wanted float32 [2, 8, 8, 1]",
    );
    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.add(tf.mul(x, weights["scale"]!), tf.randomNormal(x.shape)) }),
      "./net.ts: two traces of the output differ: the code is no pure function",
    );
    let calls = 0;
    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.mul(tf.mul(x, weights["scale"]!), ++calls) }),
      "two traces of the output differ",
    );
    const unused = await network({
      parameters: [{ name: "scale", shape: [1], init: "ones" }, { name: "idle", shape: [2], init: { normal: 1 } }],
    });
    assertStringIncludes(unused, "the output does not depend on 1 of 2 parameters, such as idle");
    for (const init of [{ normal: NaN }, "xavier", undefined, null, { scale: 1, fanIn: 0, fanOut: 0 }]) {
      const parameters = [{ name: "scale", shape: [1], init }] as unknown as NetworkCode["parameters"];
      assertStringIncludes(
        await network({ parameters }),
        `./net.ts: The init of parameter scale: got ${
          JSON.stringify(init)?.replace(/"normal":null/, '"normal":"NaN"')
        }, wanted "zeros", "ones", { normal }`,
      );
    }
    const twice = { name: "scale", shape: [1], init: "ones" } as const;
    assertEquals(
      await network({ parameters: [twice, twice] }),
      "./net.ts: Parameter scale: got it twice, wanted each name once",
    );
    assertStringIncludes(
      await network({ forward: undefined } as unknown as Partial<NetworkCode>),
      "./net.ts: What build gives: got object and undefined, wanted the parameters as a list, and forward as a function",
    );
    const written = await network({
      forward: ({ weights, x }) => tf.mul(tf.reshape(x, [2, 8, 8, 1]), weights["scale"]!),
    });
    assertStringIncludes(written, './net.ts: Cannot compile "the output for a batch of 3": ');
    assertStringIncludes(written, "train_own_test.ts:");
    for (const [got, result] of [["undefined", undefined], ["a promise", Promise.resolve()]] as const) {
      assertEquals(
        (await network({ forward: () => result as unknown as tf.Tensor })).replace(/ \(at .*/, ""),
        `./net.ts: the output: got ${got}, wanted a tensor, returned at once`,
      );
    }
    assertStringIncludes(
      await network({ forward: ({ weights, x }) => tf.matMul(x, weights["scale"]!) }),
      "tests/unit/stages/train_own_test.ts:",
    );
    assertStringIncludes(
      await network({ parameters: [{ name: "scale", shape: [0], init: "ones" }] }),
      "./net.ts: Shape of parameter scale: got [0], wanted positive integers",
    );
    const build = () => {
      throw new RangeError(`heads: got 3, wanted a divisor of ${SIZE.width}`);
    };
    const built = await messageOf({ "./net.ts": defineNetwork({ params: none, build }) });
    assertStringIncludes(built, "./net.ts: heads: got 3, wanted a divisor of 8 (at file://");

    const objective = (change: Partial<FreeObjective<typeof none>>) => messageOf({ "./free.ts": freeEps(change) });
    assertStringIncludes(
      await objective({ loss: ({ predict, xt, t }) => tf.mean(predict(xt, t)) }),
      "./free.ts: the shape of the loss, for a batch of 2: got float32 [], wanted float32 [2]",
    );
    const detached = await objective({ loss: ({ xt }) => tf.mean(xt, [1, 2, 3]) });
    assertStringIncludes(detached, "./free.ts: the loss does not depend on");
    assertStringIncludes(fixed ?? "", "let the loss call predict");
    const mixture = (change: Partial<MixtureObjective<typeof none>>) =>
      messageOf({ "./mix.ts": defineObjective({ params: none, target: () => ({ x0: 1, noise: 0 }), ...change }) });
    for (const target of [() => ({ x0: 0, noise: 0 }), ({ signal: x0, noise }: TimePoint) => ({ x0, noise })]) {
      assertStringIncludes(await mixture({ target }), "./mix.ts: x_0 from a perfect prediction at t=0: got ");
      assertStringIncludes(fixed ?? "", "let the target be no multiple of x_t, nor 0");
    }
    assertStringIncludes(
      await mixture({ weight: ({ t }) => 3 - t }),
      "./mix.ts: the weight at t=4: got -1, wanted at least 0, and finite",
    );
    assertStringIncludes(await mixture({ weight: () => NaN }), "./mix.ts: the weight at t=0: got NaN");
    const flat = { recover: () => ({ xt: 0, output: 1 }) } as unknown as Partial<MixtureObjective<typeof none>>;
    assertStringIncludes(await mixture(flat), "./mix.ts: x_0 from a perfect prediction at t=0: got NaN");
    const deep = { recover: () => ({ x0: { xt: 0, output: 1 } }) } as unknown as Partial<FreeObjective<typeof none>>;
    assertStringIncludes(await objective(deep), "./free.ts: what recover gives at t=0: got xt undefined");
    assertStringIncludes(
      await objective({ figures: ({ t }) => ({ level: 1 / (t - 5) }) }),
      "./free.ts: figure.level of the objective: got Infinity at t=5, wanted a finite number at each t",
    );
    const infinite = defineObjective({ params: none, target: ({ t }) => ({ x0: t === 7 ? NaN : 1, noise: 0 }) });
    assertStringIncludes(
      await messageOf({ "./free.ts": infinite }),
      "./free.ts: x_0 from a perfect prediction at t=7: got NaN, wanted 0.7",
    );
    assertStringIncludes(
      await objective({ loss: ({ predict, xt, t }) => tf.sum(tf.topk(predict(xt, t)).values, [1, 2, 3]) }),
      "tests/unit/stages/train_own_test.ts:",
    );
    const large = await objective({
      loss: ({ predict, xt, t }) => tf.exp(tf.add(1e3, tf.mean(predict(xt, t), [1, 2, 3]))),
    });
    assertStringIncludes(large, "./free.ts: the loss is Infinity at step 1");
    assertStringIncludes(fixed ?? "", "look in ./free.ts for a division by 0");
  });
});

Deno.test("the weights of an objective of one's own count in its loss", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const train = (weight: (() => number) | undefined) =>
      trainSmall(folder, world, {
        params: { ...MODEL, steps: 1, objective: { uses: "./v.ts" } },
        definitions: own({ "./mlp.ts": mlp, "./v.ts": weight === undefined ? vLike : { ...vLike, weight } }),
      }).then(lossesOf);
    const [plain, twice] = [await train(undefined), await train(() => 2)];
    assert(Math.abs(twice[0]! - 2 * plain[0]!) < 1e-5 * twice[0]!);
    assertNotEquals(plain, twice);
  });
});
