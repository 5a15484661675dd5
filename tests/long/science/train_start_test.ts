import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { readStart } from "../../../artifacts/checkpoint.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { defineNetwork } from "../../../science/diffusion/define.ts";
import { dense, denseParameters, silu, timeEmbedding } from "../../../science/diffusion/layers.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { datasetKind, trainKind } from "../../support/builtin_kinds.ts";
import {
  digests,
  MemoryProgress,
  runStage,
  type StageOptions,
  type StageOutcome,
} from "../../support/stage_context.ts";
import { own, said } from "../../unit/stages/own_definitions.ts";
import { SMALL_TRAINING, smallImages, type SmallWorld, smallWorld, withFolder } from "../../unit/stages/small_world.ts";

/** All parameters of the small network but the last bias. */
const ALL_BUT_ONE = ["time.*", "conv_in.*", "down.*", "middle.*", "up.*", "norm_out.*", "conv_out.kernel"];
const LAST = "conv_out.bias";

type Options = Omit<StageOptions, "inputs"> & { readonly start?: InputArtifact };

function train(folder: string, { images, schedule }: SmallWorld, { params, start, ...options }: Options) {
  const inputs = { images, schedule, ...(start === undefined ? {} : { start }) };
  return runStage(folder, trainKind, { params: { ...SMALL_TRAINING, ...params }, inputs, ...options });
}

async function checkpointOf(outcome: StageOutcome | Promise<StageOutcome>): Promise<InputArtifact> {
  const { end, outputs } = await outcome;
  assertEquals(end, undefined);
  return outputs["checkpoint"]!;
}

const weightsOf = async (checkpoint: InputArtifact, name: string) => (await readStart(checkpoint, name)).named;
const configOf = async (checkpoint: InputArtifact) => JSON.parse(await checkpoint.readText("config.json"));

/** A network of one's own whose first kernel depends on the number of classes. */
const mlp = defineNetwork({
  params: z.strictObject({ width: z.int().default(16) }),
  build({ height, width: columns, channels, outChannels, classes }, { width }) {
    const pixels = height * columns;
    return {
      parameters: [
        ...denseParameters("in", pixels * channels + 8 + (classes === undefined ? 0 : classes + 1), width),
        ...denseParameters("out", width, pixels * outChannels),
      ],
      forward({ weights, x, t, labels }) {
        const told = [tf.reshape(x, [-1, pixels * channels]), timeEmbedding(t, 8), ...(labels ? [labels] : [])];
        const h = silu(dense(weights, "in", tf.concat(told, 1)));
        return tf.reshape(dense(weights, "out", h), [-1, height, columns, outChannels]);
      },
    };
  },
});

Deno.test("a training starts from the weights that it names; frozen parameters and their averages keep every bit", async (t) => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const ema = { warmup: false, decay: 0.9, others: { fast: 0.5 } };
    const first = await checkpointOf(train(folder, world, { params: { steps: 6, ema } }));
    const theirs = {
      raw: await weightsOf(first, "raw"),
      ema: await weightsOf(first, "ema"),
      fast: await weightsOf(first, "fast"),
    };
    assertNotEquals(theirs.raw, theirs.ema);
    for (const [startWeights, microBatches] of [["ema", 1], ["raw", 2], ["fast", 1], ["all", 2]] as const) {
      await t.step(`${startWeights}, in ${microBatches} parts`, async () => {
        const adam = { weightDecay: 0.1 };
        const params = { model: "start", startWeights, freeze: ALL_BUT_ONE, steps: 3, ema, adam, microBatches };
        const second = await checkpointOf(train(folder, world, { params, start: first }));
        for (const name of ["raw", "ema", "fast"] as const) {
          const { [LAST]: last, ...kept } = await weightsOf(second, name);
          const { [LAST]: was, ...wanted } = theirs[startWeights === "all" ? name : startWeights];
          assertEquals(kept, wanted, name);
          assertNotEquals(last, was, name);
        }
        const { model, start } = await configOf(second);
        assertEquals(start, { digest: first.digest, weights: startWeights, step: 6, initialised: [] });
        assertEquals(model, (await configOf(first)).model);
        assertEquals((await configOf(second)).freeze, ALL_BUT_ONE);
      });
    }
  });
});

Deno.test("the trained parameters make the same first step whatever else is frozen", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const first = await checkpointOf(train(folder, world, { params: { steps: 2 } }));
    const params = { model: "start", startWeights: "raw", steps: 1, gradClip: 1e9, warmupSteps: 0 };
    const free = await weightsOf(await checkpointOf(train(folder, world, { params, start: first })), "raw");
    const before = await weightsOf(first, "raw");
    for (const freeze of [["down.*", "norm_out.scale"], ["*.kernel"]]) {
      const frozen = freeze.map((pattern) => new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`));
      const got = await weightsOf(
        await checkpointOf(train(folder, world, { params: { ...params, freeze }, start: first })),
        "raw",
      );
      for (const [name, values] of Object.entries(got)) {
        const isFrozen = frozen.some((one) => one.test(name));
        const wanted = (isFrozen ? before : free)[name]!;
        const error = Math.max(...values.map((value, i) => Math.abs(value - wanted[i]!)));
        // A step of Adam is 1e-2; gradients of order 1e-8 lose digits where the order of sums differs.
        assert(isFrozen ? error === 0 : error < 1e-4, `${freeze}: ${name} off by ${error}`);
      }
    }
  });
});

Deno.test("fine-tuning goes on after a stop, and beyond its end, to the same bytes", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const ema = { decay: 0.9, others: { fast: 0.5 } };
    const first = await checkpointOf(train(folder, world, { params: { steps: 3, ema } }));
    const params = { model: "start", startWeights: "all", freeze: ["down.*"], labels: {}, ema };
    const notes: string[] = [];
    const run = (steps: number, progress?: MemoryProgress) => {
      notes.length = 0;
      const onSaid = (event: { readonly type: string; readonly message?: string }) => {
        notes.push(event.message ?? "");
      };
      return train(folder, world, {
        params: { ...params, steps },
        start: first,
        onSaid,
        ...(progress && { progress }),
      });
    };
    const straight = digests(await run(6));
    const progress = new MemoryProgress();
    await run(3, progress);
    assertEquals(progress.steps, [3]);
    assertStringIncludes(notes.join(), "classes.embedding starts anew");
    assertEquals(digests(await run(6, progress)), straight);
    // A training that goes on starts nothing anew.
    assertEquals(notes.filter((note) => note.includes("anew")), []);
    // A start is no longer training: Adam's moments and the order of the images begin anew.
    assertNotEquals(straight, digests(await train(folder, world, { params: { steps: 6, ema } })));
  });
});

Deno.test("averages that go on warm up by the updates that they have had", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const first = await checkpointOf(train(folder, world, { params: { steps: 20 } }));
    const params = { model: "start", startWeights: "all", steps: 1 };
    const second = await checkpointOf(train(folder, world, { params, start: first }));
    const [was, ema, raw] = [
      await weightsOf(first, "ema"),
      await weightsOf(second, "ema"),
      await weightsOf(second, "raw"),
    ];
    // (1 + n) / (10 + n) of update 21.
    const decay = Math.fround(22 / 31);
    const wanted = was[LAST]!.map((x, i) =>
      Math.fround(x * decay) + Math.fround(raw[LAST]![i]! * Math.fround(1 - decay))
    );
    assertEquals(ema[LAST], wanted);
  });
});

Deno.test("the layer that is told of an augmentation starts anew where the checkpoint has another, or none", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const augments = [undefined, { name: "shift" }, { name: "edm" }] as const;
    const kept = await Promise.all(
      augments.map((augment) =>
        checkpointOf(train(folder, world, { params: { steps: 2, ...(augment === undefined ? {} : { augment }) } }))
      ),
    );
    for (const [i, start] of kept.entries()) {
      for (const [j, augment] of augments.entries()) {
        const params = { model: "start", startWeights: "raw", steps: 1, learningRate: 1e-25, augment };
        const after = await checkpointOf(train(folder, world, { params, start }));
        const { "augmentation.embedding": given, ...others } = await weightsOf(start, "raw");
        const { "augmentation.embedding": embedding, ...rest } = await weightsOf(after, "raw");
        assertEquals(rest, others);
        assertEquals(embedding?.length, [undefined, 2 * 16, 9 * 16][j]);
        if (i === j) assertEquals(embedding, given);
        const { initialised } = (await configOf(after)).start;
        assertEquals(initialised, i === j || j === 0 ? [] : ["augmentation.embedding"]);
      }
    }
  });
});

Deno.test("class embeddings start anew for other classes, by name, and are kept for the same ones", async (t) => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const plain = await checkpointOf(train(folder, world, { params: { steps: 2 } }));
    const labelled = await checkpointOf(train(folder, world, { params: { steps: 2, labels: {} } }));
    const notes: string[] = [];
    const onSaid = (event: { readonly type: string; readonly message?: string }) => {
      if (event.type === "note") notes.push(event.message!);
    };
    const after = async (start: InputArtifact, params: object, images = world.images) => {
      notes.length = 0;
      const all = { model: "start", startWeights: "raw", steps: 1, learningRate: 1e-12, ...params };
      const checkpoint = await checkpointOf(train(folder, { ...world, images }, { params: all, start, onSaid }));
      const embedding = (await weightsOf(checkpoint, "raw"))["classes.embedding"];
      return { embedding, initialised: (await configOf(checkpoint)).start.initialised };
    };
    const known = (await weightsOf(labelled, "raw"))["classes.embedding"]!;

    await t.step("the same classes", async () => {
      assertEquals(await after(labelled, { labels: {} }), { embedding: known, initialised: [] });
      assertEquals(notes, []);
    });
    await t.step("classes for a network without any", async () => {
      const { embedding, initialised } = await after(plain, { labels: {} });
      assertEquals([embedding!.length, initialised], [11 * 16, ["classes.embedding"]]);
      assertEquals(notes, ["classes.embedding starts anew: the checkpoint has no classes"]);
    });
    await t.step("no classes any more", async () => {
      assertEquals(await after(labelled, {}), { embedding: undefined, initialised: [] });
    });
    for (const count of [10, 3]) {
      await t.step(`${count} classes of other names`, async () => {
        const images = await namedImages(folder, Array.from({ length: count }, (_, i) => `class-${i}`));
        const { embedding, initialised } = await after(labelled, { labels: {}, batchSize: 4 }, images);
        assertEquals([embedding!.length, initialised], [(count + 1) * 16, ["classes.embedding"]]);
        assertEquals(notes, ["classes.embedding starts anew: the checkpoint has other classes"]);
        assertNotEquals(embedding!.slice(0, 4 * 16), known.slice(0, 4 * 16));
      });
    }
  });
});

/** Makes grey images of 8x8 in one folder for each name. */
async function namedImages(folder: string, names: readonly string[]): Promise<InputArtifact> {
  const path = await Deno.makeTempDir({ dir: folder });
  for (const [i, name] of names.entries()) {
    await Deno.mkdir(join(path, name));
    for (const j of [0, 1]) {
      const data = Uint8Array.from({ length: 64 }, (_, k) => (i * 29 + j * 53 + k * 7) % 256);
      await Deno.writeFile(join(path, name, `${j}.png`), encodePng({ width: 8, height: 8, channels: 1, data }));
    }
  }
  const params = { source: "folder", path, size: 8, channels: 1, testCount: 2 };
  const { end, outputs } = await runStage(folder, datasetKind, { params });
  assertEquals(end, undefined);
  return outputs["train"]!;
}

Deno.test("images of another size keep the levels of the network", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const first = await checkpointOf(train(folder, world, { params: { steps: 2 } }));
    const { train: images } = await smallImages(folder, { size: 16 });
    const params = { model: "start", steps: 1, freeze: ALL_BUT_ONE };
    const second = await checkpointOf(train(folder, { ...world, images }, { params, start: first }));
    const { imageSize, attention } = (await configOf(second)).model;
    assertEquals([imageSize, attention], [16, [8]]);
    const { [LAST]: _, ...kept } = await weightsOf(second, "raw");
    const { [LAST]: __, ...wanted } = await weightsOf(first, "ema");
    assertEquals(kept, wanted);
  });
});

Deno.test("a network of one's own starts from a checkpoint of its own, or by its file, with other classes too", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const definitions = own({ "./mlp.ts": mlp });
    const model = { uses: "./mlp.ts", width: 16 };
    const first = await checkpointOf(train(folder, world, { params: { model, steps: 2 }, definitions }));
    const wanted = await weightsOf(first, "ema");
    for (const again of ["start", model]) {
      const params = { model: again, steps: 1, freeze: ["in.*"] };
      const second = await checkpointOf(train(folder, world, { params, start: first, definitions }));
      const got = await weightsOf(second, "raw");
      assertEquals([got["in.kernel"], got["in.bias"]], [wanted["in.kernel"], wanted["in.bias"]]);
      assertNotEquals(got["out.kernel"], wanted["out.kernel"]);
      assertEquals((await configOf(second)).model, (await configOf(first)).model);
    }
    const params = { model: "start", labels: {}, steps: 1, freeze: ["in.bias"] };
    const labelled = await checkpointOf(train(folder, world, { params, start: first, definitions }));
    assertEquals((await configOf(labelled)).start.initialised, ["in.kernel"]);

    const refused = async (params: object) =>
      said(await train(folder, world, { params: { steps: 1, ...params }, start: first, definitions }));
    assertStringIncludes(
      await refused({ model: { uses: "./mlp.ts", width: 8 } }),
      "in.kernel: [72, 16] in the checkpoint, [72, 8] in the network\n" +
        "in.bias: [16] in the checkpoint, [8] in the network\n" +
        "out.kernel: [16, 64] in the checkpoint, [8, 64] in the network",
    );
    assertStringIncludes(await refused({ model: "start", freeze: ["inn.*"] }), "no parameter has this name: got inn.*");
    assertStringIncludes(await refused({ model: "start", freeze: ["*"] }), "all parameters are frozen");
    assertStringIncludes(
      await refused({ model: "start", labels: {}, freeze: ["in.*"] }),
      "cannot be frozen: they would keep their random values: got in.kernel",
    );
    // The weights of a built-in network in a network of one's own.
    const unet = await checkpointOf(train(folder, world, { params: { steps: 1 } }));
    const mixed = said(await train(folder, world, { params: { model, steps: 1 }, start: unet, definitions }));
    assertStringIncludes(mixed, "in.kernel: none in the checkpoint, [72, 16] in the network");
    assertStringIncludes(mixed, "conv_in.bias: [4] in the checkpoint, none in the network");
    assertMatch(mixed, /and \d+ more, wanted/);
  });
});
