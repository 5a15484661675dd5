import { assert, assertEquals, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { z } from "zod";
import { readCheckpoint } from "../../../artifacts/checkpoint.ts";
import { augmentationParams, builtinAugmentation } from "../../../science/diffusion/augmentations.ts";
import { type AugmentationInputs, defineAugmentation, defineNetwork } from "../../../science/diffusion/define.ts";
import { dense, denseParameters } from "../../../science/diffusion/layers.ts";
import { unpackParameters } from "../../../science/diffusion/network.ts";
import { makeAugmenter } from "../../../stages/shared/augmenter.ts";
import { describeDefinition } from "../../../stages/shared/describe_definition.ts";
import { checkAugmentation } from "../../../package/testing/definitions.ts";
import { exportKind, sampleKind, trainKind } from "../../support/builtin_kinds.ts";
import { digests, MemoryProgress, runStage } from "../../support/stage_context.ts";
import { none, own, said } from "./own_definitions.ts";
import { smallWorld, trainSmall, withFolder } from "./small_world.ts";

const NAMES = ["crop", "shift", "colour", "edm"] as const;
const SIZE = { height: 6, width: 5, channels: 3 };

const named = (name: string, params = {}) => builtinAugmentation(augmentationParams.parse({ name, ...params }));

Deno.test("an augmentation is a pure function of seed, step and place in the batch, whatever was asked before", () => {
  const image = Float32Array.from({ length: 90 }, (_, i) => Math.sin(i));
  fc.assert(
    fc.property(
      fc.constantFrom(...NAMES),
      fc.nat(5),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 2 ** 40 }), fc.nat(65_535)), { minLength: 2, maxLength: 4 }),
      (name, seed, places) => {
        const chosen = named(name, { probability: 1 });
        const apply = (augmenter: ReturnType<typeof makeAugmenter>, [step, index]: readonly [number, number]) => {
          const copy = image.slice();
          return [...Array.from(augmenter.apply(copy, step, index)), ...copy];
        };
        const kept = makeAugmenter(chosen, SIZE, seed);
        for (const place of places) assertEquals(apply(kept, place), apply(makeAugmenter(chosen, SIZE, seed), place));
        // So small an image has only nine shifts.
        if (name === "shift") return;
        const [[step, index]] = places as [[number, number]];
        const others = [[step + 1, index], [step, index + 1]] as const;
        for (const other of others) assertNotEquals(apply(kept, other), apply(kept, [step, index]), `${name} ${other}`);
        assertNotEquals(apply(makeAugmenter(chosen, SIZE, seed + 1), [step, index]), apply(kept, [step, index]));
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("each image of a step has numbers of its own, at least a million of them", () => {
  const drawn: number[][] = [];
  const draws = defineAugmentation({
    params: none,
    augment({ image, random }) {
      drawn.push(Array.from({ length: 70 }, (_, i) => i % 3 === 0 ? random.normal() : random.uniform()));
      for (let i = 0; i < 2 ** 20 - 70; i++) random.uniform();
      drawn.at(-1)!.push(random.uniform());
      return { image };
    },
  });
  const augmenter = makeAugmenter({ definition: draws, params: {} }, { height: 1, width: 1, channels: 1 }, 0);
  for (const index of [0, 1, 1]) augmenter.apply(new Float32Array(1), 1, index);
  const [first, second, again] = drawn as [number[], number[], number[]];
  assertEquals(second, again);
  assertEquals(new Set([...first, ...second]).size, first.length + second.length);
});

Deno.test("the built-in augmentations leave an image as it is with probability 0, and tell the network so", () => {
  for (const name of NAMES.filter((name) => name !== "edm")) {
    const augmenter = makeAugmenter(named(name, { probability: 0 }), SIZE, 0);
    const image = Float32Array.from({ length: 90 }, (_, i) => Math.sin(i));
    const copy = image.slice();
    assertEquals(Array.from(augmenter.apply(copy, 1, 0)), new Array(augmenter.conditions).fill(0), name);
    assertEquals(copy, image, name);
  }
});

Deno.test("the built-in augmentations keep their contract for images of every size", () => {
  for (const name of NAMES) {
    for (const [height, width, channels] of [[1, 1, 1], [1, 7, 3], [2, 1, 1], [5, 3, 3]] as const) {
      const { definition, params } = named(name, { probability: 1 });
      checkAugmentation({ ...definition, params: z.any() as never }, {
        params: params as never,
        images: { height, width, channels },
      });
    }
  }
});

Deno.test("the U-Net is told of the augmentation, goes on after a stop to the same bytes, and samples without one", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    // Networks with one number of groups have a counterpart in diffusers.
    const model = { channels: 4, multipliers: [1, 2], blocks: 1, attention: [4], groups: 2 };
    const params = { model, augment: { name: "edm", probability: 0.5 }, microBatches: 2 };
    const straight = await trainSmall(folder, world, { params: { ...params, steps: 6 } });
    assertEquals(straight.end, undefined);
    const progress = new MemoryProgress();
    await trainSmall(folder, world, { params: { ...params, steps: 3 }, progress });
    assertEquals(
      digests(await trainSmall(folder, world, { params: { ...params, steps: 6 }, progress })),
      digests(straight),
    );

    const checkpoint = straight.outputs["checkpoint"]!;
    const { network, params: last } = await readCheckpoint(checkpoint, "raw", []);
    assertEquals(network.sizes.augmentation, 9);
    const { outputs: { checkpoint: early } } = await trainSmall(folder, world, { params: { ...params, steps: 1 } });
    const embedding = (weights: Float32Array) => unpackParameters(weights, network)["augmentation.embedding"]!;
    const { params: first } = await readCheckpoint(early!, "raw", []);
    assert(embedding(last).some((x, i) => x !== embedding(first)[i]), "its layer learns");

    const drawn = await runStage(folder, sampleKind, {
      params: { count: 2, batchSize: 2, sampler: { name: "ddim", steps: 2 } },
      inputs: { checkpoint },
    });
    assertEquals(drawn.end, undefined);
    // In diffusers' layout there is no such layer; without an augmentation it adds zeros.
    const exported = await runStage(folder, exportKind, { params: { format: "diffusers" }, inputs: { checkpoint } });
    assertEquals(exported.end, undefined);
  });
});

/** Adds a number to the image, and tells it. */
const brighter = defineAugmentation({
  params: z.strictObject({ by: z.number().default(0.5) }),
  conditions: () => 2,
  augment: ({ image }, { by }) => ({ image: image.map((x) => x + by), condition: [by, 1] }),
});

Deno.test("a network of one's own gets what its augmentation told, and zeros where nothing was augmented", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const network = defineNetwork({
      params: none,
      build: ({ channels, outChannels, augmentation }) => ({
        parameters: [
          ...denseParameters("pixel", channels, outChannels),
          ...augmentation === undefined ? [] : [{ name: "told", shape: [augmentation, 1], init: "ones" as const }],
        ],
        forward({ weights, x, augmentation: told }) {
          const shift = told === undefined
            ? tf.scalar(0)
            : tf.reshape(tf.matMul(told, weights["told"]!), [-1, 1, 1, 1]);
          return tf.add(dense(weights, "pixel", x), shift);
        },
      }),
    });
    const definitions = own({ "./net.ts": network, "./brighter.ts": brighter });
    const train = (augment: object | undefined, params = {}) =>
      trainSmall(folder, world, {
        params: { model: { uses: "./net.ts" }, ...augment && { augment }, steps: 2, learningRate: 0.01, ...params },
        definitions,
      });
    const told = await train({ uses: "./brighter.ts", by: 0.5 });
    assertEquals(told.end, undefined);
    const { network: read, params } = await readCheckpoint(told.outputs["checkpoint"]!, "raw", definitions);
    assertEquals(read.sizes.augmentation, 2);
    // Both numbers of the vector are told with each image, so that both weights move.
    const { told: weights } = unpackParameters(params, read);
    assert(weights!.every((x) => x !== 1));
    const plain = await train(undefined);
    assertNotEquals(digests(plain)["checkpoint/weights.safetensors"], digests(told)["checkpoint/weights.safetensors"]);
    const silent = await train({ uses: "./brighter.ts", by: 0 });
    assertNotEquals(digests(told)["checkpoint/weights.safetensors"], digests(silent)["checkpoint/weights.safetensors"]);
    for (const { outputs } of [told, plain]) {
      const drawn = await runStage(folder, sampleKind, {
        params: { count: 2, batchSize: 2, sampler: { name: "ddim", steps: 2 } },
        inputs: { checkpoint: outputs["checkpoint"]! },
        definitions,
      });
      assertEquals(drawn.end, undefined);
    }
  });
});

Deno.test("what is known of an augmentation before the training is part of its checkpoint's facts", () => {
  const images = { count: 100, height: 8, width: 8, channels: 1 };
  const check = (augment: unknown, own = {}) => {
    const params = trainKind.params.parse({ steps: 1, batchSize: 8, model: { multipliers: [1], attention: [] } });
    const { problems, facts } = trainKind.check!({ ...params, augment } as never, { images }, own);
    assertEquals(problems, []);
    return (facts!["checkpoint"]!["network"] as { augmentation?: number }).augmentation;
  };
  assertEquals(check(undefined), undefined);
  assertEquals(NAMES.map((name) => check(augmentationParams.parse({ name }))), [3, 2, 5, 9]);
  assertEquals(check({ uses: "./a.ts" }, { augment: describeDefinition(brighter, { by: 1 }) }), 2);
});

Deno.test("the speed of a network that is told of an augmentation is measured too", async () => {
  const images = { count: 100, height: 8, width: 8, channels: 1 };
  const { probe } = trainKind.check!(
    trainKind.params.parse({
      ...{ steps: 1, batchSize: 8, model: { channels: 4, multipliers: [1], blocks: 1, attention: [] } },
      augment: { name: "edm" },
    }),
    { images },
  );
  await withFolder(async (folder) => {
    const kind = { kind: "probe", entry: probe!.entry, outputs: {}, params: z.looseObject({}) };
    let steps = 0;
    const params = { ...probe!.params, images: 2 };
    assertEquals((await runStage(folder, kind, { params, onReport: () => steps++ })).end, undefined);
    assertEquals(steps, 3);
  });
});

Deno.test("colour refuses images that are neither grey nor RGB, before anything runs", () => {
  const params = trainKind.params.parse({ steps: 1, batchSize: 8, augment: { name: "colour" } });
  const { problems } = trainKind.check!(params, { images: { count: 100, height: 16, width: 16, channels: 4 } });
  assertEquals(problems.map(({ param, got }) => [param!.join("."), got]), [["augment.name", "4 channels"]]);
});

const calls = { count: 0 };
const REFUSED: Record<string, readonly [(inputs: AugmentationInputs) => unknown, string]> = {
  "too short an image": [
    ({ image }) => ({ image: image.subarray(1), condition: [0] }),
    "the image that augment returns: got 63 numbers, wanted 64",
  ],
  "no image": [() => ({ condition: [0] }), "the image that augment returns: got undefined numbers, wanted 64"],
  "nothing": [() => undefined, "the image that augment returns: got undefined numbers, wanted 64"],
  "an image with NaN": [
    ({ image }) => ({ image: image.map(Math.sqrt), condition: [0] }),
    "the image that augment returns: got NaN, wanted finite numbers",
  ],
  "another condition than it says": [
    ({ image }) => ({ image, condition: [0, 1] }),
    "the condition that augment returns: got 2 numbers, wanted 1",
  ],
  "no condition": [({ image }) => ({ image }), "the condition that augment returns: got 0 numbers, wanted 1"],
  "an infinite condition": [
    ({ image }) => ({ image, condition: [1 / 0] }),
    "the condition that augment returns: got Infinity, wanted finite numbers",
  ],
  "chance of its own": [
    ({ image }) => ({ image: image.map((x) => x + Math.random()), condition: [0] }),
    "augment gives other results when it is called again for the same image",
  ],
  "memory of earlier calls": [
    ({ image }) => ({ image, condition: [calls.count++] }),
    "augment gives other results when it is called again for the same image",
  ],
  "an error": [
    () => {
      throw new RangeError("no such thing");
    },
    "no such thing",
  ],
};

for (const [what, [augment, message]] of Object.entries(REFUSED)) {
  Deno.test(`an augmentation that gives ${what} is refused before the first step, by its file`, async () => {
    const definition = defineAugmentation({ params: none, conditions: () => 1, augment: augment as never });
    assertThrows(() => checkAugmentation(definition), Error, message);
    await withFolder(async (folder) => {
      const world = await smallWorld(folder);
      const outcome = await trainSmall(folder, world, {
        params: { steps: 1, augment: { uses: "./mine.ts" } },
        definitions: own({ "./mine.ts": definition }),
      });
      assertStringIncludes(said(outcome), `./mine.ts: ${message}`);
    });
  });
}

Deno.test("an augmentation that breaks its contract in the middle of a training ends it, with file and step", async () => {
  const rare = defineAugmentation({
    params: none,
    // Steps are not told, so the image stands for them: the check's images are ramps.
    augment: ({ image }) => ({ image: image[0] === -1 && image[1] === -1 ? image.fill(NaN) : image }),
  });
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const params = { steps: 2, augment: { uses: "./mine.ts" } };
    const outcome = await trainSmall(folder, world, { params, definitions: own({ "./mine.ts": rare }) });
    assertEquals(said(outcome), "./mine.ts: the image that augment returns: got NaN, wanted finite numbers, at step 1");
  });
});

for (const conditions of [-1, 0.5, NaN, 2000]) {
  Deno.test(`an augmentation with ${conditions} conditions is refused where it is described`, () => {
    const definition = defineAugmentation({ ...brighter, conditions: () => conditions });
    assertThrows(() => describeDefinition(definition, { by: 1 }), RangeError, `conditions: got ${conditions}`);
  });
}
