import { assert, assertEquals } from "@std/assert";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { autoencoderKind, encodeKind, featuresKind, neighboursKind, sampleKind } from "../../support/builtin_kinds.ts";
import {
  digests,
  MemoryProgress,
  runStage,
  type StageOptions,
  type StageOutcome,
} from "../../support/stage_context.ts";
import { tinyGraph } from "../../support/tiny_graph.ts";
import { made, trainedOn, TRAINING } from "../../unit/stages/small_latents.ts";
import { smallCheckpoint, smallImages, withFolder } from "../../unit/stages/small_world.ts";

type Kind = Parameters<typeof runStage>[1];

/** @param own options of each shard */
async function inShards(
  folder: string,
  kind: Kind,
  options: StageOptions,
  of: number,
  own: (index: number) => Partial<StageOptions> = () => ({}),
): Promise<StageOutcome> {
  const parts: InputArtifact[] = [];
  for (let index = 0; index < of; index++) {
    const { end, outputs } = await runStage(folder, kind, { ...options, ...own(index), share: { index, of } });
    assertEquals(end, undefined);
    parts.push(outputs["part"]!);
  }
  return await runStage(folder, kind, { ...options, parts });
}

async function assertSame(folder: string, kind: Kind, options: StageOptions): Promise<void> {
  const whole = await runStage(folder, kind, options);
  assertEquals(whole.end, undefined);
  for (const shards of [1, 2, 3, 5]) {
    assertEquals(
      digests(await inShards(folder, kind, options, shards)),
      digests(whole),
      `${kind.kind} in ${shards} shards`,
    );
  }
}

const drawing = { sampler: { name: "ddim", steps: 3 }, batchSize: 4, trajectory: { images: 3, frames: 3 } };

Deno.test("samples are the same in shards, with their film", async () => {
  await withFolder(async (folder) => {
    const { checkpoint } = await smallCheckpoint(folder);
    // 4 batches, the last of which is not full, and 5 shards, one of which has no batch.
    const params = { ...drawing, count: 14, files: ["npz"] };
    await assertSame(folder, sampleKind, { params, inputs: { checkpoint }, seed: 3 });
  });
});

Deno.test("decoded pictures of latents are the same in shards", async () => {
  await withFolder(async (folder) => {
    const { train: images } = await smallImages(folder, { limit: 30 });
    const autoencoder = await made(folder, autoencoderKind, { params: TRAINING, inputs: { images } });
    const latents = await made(folder, encodeKind, { params: {}, inputs: { images, autoencoder } });
    const { checkpoint } = await trainedOn(folder, latents);
    await assertSame(folder, sampleKind, { params: { ...drawing, count: 14 }, inputs: { checkpoint, autoencoder } });
  });
});

Deno.test("features are the same in shards, with logits", async () => {
  await withFolder(async (folder) => {
    const { train } = await smallImages(folder, { limit: 30 });
    await assertSame(folder, featuresKind, {
      params: { extractor: "pixels", batchSize: 4 },
      inputs: { images: train },
    });
    const path = `${folder}/tiny.onnx`;
    Deno.writeFileSync(path, tinyGraph());
    const params = {
      extractor: "onnx",
      path,
      output: "pooled",
      logits: "logits",
      preprocess: { size: 8 },
      batchSize: 4,
    };
    await assertSame(folder, featuresKind, { params, inputs: { images: train } });
  });
});

Deno.test("neighbours are the same in shards, with held-out images and without", async () => {
  await withFolder(async (folder) => {
    const { train, test } = await smallImages(folder, { limit: 60, testCount: 40 });
    const params = { count: 35, nearest: 3 };
    for (const heldOut of [{}, { heldOut: train }]) {
      await assertSame(folder, neighboursKind, { params, inputs: { samples: test, training: train, ...heldOut } });
    }
  });
});

Deno.test("a shard goes on where it was stopped, and with more images, to the same bytes", async () => {
  await withFolder(async (folder) => {
    const { checkpoint } = await smallCheckpoint(folder);
    const options = (count: number) => ({ params: { ...drawing, count }, inputs: { checkpoint } });
    const whole = await runStage(folder, sampleKind, options(22));

    // Stopped in its second batch, which contains images 12 to 15: 4 of the shard's images are done.
    const stop = new AbortController();
    const stopped = new MemoryProgress();
    const onReport = ({ done }: { done: number }) => done === 5 && stop.abort();
    const share = { index: 0, of: 3 };
    const cut = { ...options(22), share, progress: stopped, stop: stop.signal, onReport };
    assertEquals((await runStage(folder, sampleKind, cut)).end, { status: "interrupted", step: 12 });
    const own = (index: number) => index === 0 ? { progress: stopped } : {};
    assertEquals(digests(await inShards(folder, sampleKind, options(22), 3, own)), digests(whole));

    // From 6 images, the second batch of which is not full, to 14 and 22; and back to 14.
    const kept = [0, 1, 2].map(() => new MemoryProgress());
    for (const count of [6, 14, 22, 14]) {
      const reports: number[] = [];
      const progress = (index: number) => {
        kept[index]!.extent = count;
        return { progress: kept[index]!, onReport: ({ total }: { total: number }) => void reports.push(total) };
      };
      const joined = await inShards(folder, sampleKind, options(count), 3, progress);
      assertEquals(digests(joined), digests(await runStage(folder, sampleKind, options(count))), `${count} images`);
      // Each shard reports only its own images.
      assert(reports.every((total) => total < count));
    }
    // All full batches are saved; the last batch of the third shard is not full.
    assertEquals(kept.map(({ steps }) => Math.max(...steps)), [20, 20, 12]);
  });
});
