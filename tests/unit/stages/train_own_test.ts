import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { facts, readCheckpoint, validate } from "../../../artifacts/checkpoint.ts";
import { defineNetwork, defineObjective, definePath } from "../../../science/diffusion/define.ts";
import { dense, denseParameters, silu, timeEmbedding } from "../../../science/diffusion/layers.ts";
import unet from "../../../science/diffusion/unet/network.ts";

import { exportKind, scheduleKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage, type StageOutcome } from "../../support/stage_context.ts";
import { codeOf, freeEps, none, own, said, vLike } from "./own_definitions.ts";
import { SMALL_TRAINING, smallWorld, trainSmall, withFolder } from "./small_world.ts";

/** Quick to compile. */
const MODEL = { model: { uses: "./mlp.ts", width: 16 } };

/** Two dense layers over all pixels, conditioned on the time and the label, with dropout between. */
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
    // Another file with the same code is accepted; without the code, the artifact is still valid.
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
    assertStringIncludes(said(refused), "diffusers cannot load your own network: got mlp.ts");
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
    // Two calls use the same dropout masks, so their difference is zero. At the first step, the averaged weights equal
    // the weights.
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

    // Features that need a chain accept a path that preserves the variance, at the times of its tables.
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

    // Loss-aware sampling distinguishes times by the tables; the times are then whole numbers.
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
