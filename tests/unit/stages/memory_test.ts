import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../tensor/complete_tfjs.ts";
import { networkOf } from "../../../artifacts/checkpoint.ts";
import { lessMemory } from "../../../contract/less_memory.ts";
import { makeModelOutput, modelOutputSignature } from "../../../diffusion/network.ts";
import { BUILTIN_NETWORK } from "../../../diffusion/networks.ts";
import { liveValues, sizeOf } from "../../../tensor/trace/graph.ts";
import { trace } from "../../../tensor/trace/trace.ts";
import { trainKind } from "../../support/builtin_kinds.ts";

/** Networks by the properties that determine their size: width, levels, blocks, attention and images. */
const NETWORKS = [
  { side: 16, channels: 1, model: { channels: 32, multipliers: [1, 2], blocks: 1, attention: [8] } },
  { side: 28, channels: 1, model: { channels: 32, multipliers: [1, 2], blocks: 1, attention: [14] } },
  { side: 32, channels: 3, model: { channels: 128, multipliers: [1, 2, 2, 2], blocks: 2, attention: [16] } },
  { side: 16, channels: 1, model: { channels: 64, multipliers: [1, 2], blocks: 1, attention: [] } },
  { side: 8, channels: 3, model: { channels: 8, multipliers: [1], blocks: 3, attention: [8] } },
  { side: 32, channels: 3, model: { channels: 8, multipliers: [1, 1, 4], blocks: 1, attention: [32] } },
];

Deno.test("activations and parameters of the U-Net are those of its trace, without one", async () => {
  await tf.ready();
  // A batch size that is a factor of no other axis.
  const batch = 10_007;
  for (const { side, channels, model } of NETWORKS) {
    const record = BUILTIN_NETWORK.recordOf({ height: side, width: side, channels, outChannels: channels }, model);
    const network = await networkOf(record, []);
    assertEquals(BUILTIN_NETWORK.parameterCount(record), network.count);
    const { outputs } = trace(makeModelOutput(network), modelOutputSignature(network, batch), "network");
    // Views take no memory.
    const computed = liveValues(outputs.values()).filter((value) =>
      value.kind === "operation" && !["Reshape", "Transpose", "Expand"].includes(value.op) &&
      value.shape.some((length) => length % batch === 0)
    );
    const traced = computed.reduce((sum, { shape }) => sum + sizeOf(shape), 0) / batch;
    const ratio = traced / BUILTIN_NETWORK.activationCount(record);
    // Measured: 1.01 to 1.05; the time embedding and the output are left out.
    assert(ratio > 1 && ratio < 1.1, `${JSON.stringify(model)}: ${ratio}`);
  }
});

Deno.test("train's estimate grows with the images computed at once and with parameters, and not with the data set", () => {
  const images = { height: 32, width: 32, channels: 3, count: 50_000 };
  const bytesOf = (params: object, more: object = {}) =>
    trainKind.check!(trainKind.params.parse({ steps: 1, ...params }), { images: { ...images, ...more } }).memoryBytes!;
  const [one, two, three] = [32, 64, 96].map((batchSize) => bytesOf({ batchSize }));
  assertEquals(three! - two!, two! - one!);
  // Only the images of one part count; but the gradients of the parts are summed.
  assertEquals(bytesOf({ batchSize: 128, microBatches: 4 }) - one!, bytesOf({ batchSize: 64, microBatches: 2 }) - one!);
  assert(bytesOf({ batchSize: 64, microBatches: 2 }) > one!);
  assert(bytesOf({ batchSize: 64, ema: { others: { half: 0.99 } } }) > two!);
  // A set of any size is read from its files.
  assertEquals(bytesOf({ batchSize: 32 }, { count: 60_000 }), one!);
  assert(bytesOf({ batchSize: 32, model: { channels: 64 } }) < one!);
  // The memory is only known before the run for built-in networks.
  const own = trainKind.check!({ ...trainKind.params.parse({ steps: 1 }), model: { uses: "./net.ts" } }, { images });
  assertEquals(own.memoryBytes, undefined);
});

Deno.test("what takes less memory is said by the params that a stage has", () => {
  const model = { channels: 128 };
  const parts = (count: number) => `set microBatches: ${count} (the same batch in smaller parts)`;
  assertEquals(lessMemory({ batchSize: 128, microBatches: 1, model }), [
    parts(2),
    "batchSize: 64",
    "model.channels below 128",
  ]);
  // 11 parts would be enough, and do not divide the batch.
  assertEquals(lessMemory({ batchSize: 128, microBatches: 2 }, 12), [parts(16), "batchSize: 24"]);
  // At most as many parts as images, whatever is asked.
  assertEquals(lessMemory({ batchSize: 8, microBatches: 1 }, 0), [parts(8), "batchSize: 1"]);
  assertEquals(lessMemory({ batchSize: 8, microBatches: 8 }), []);
  assertEquals(lessMemory({ batchSize: 100, model: { uses: "./net.ts" } }), ["set batchSize: 50"]);
  assertEquals([lessMemory({ batchSize: 1 }), lessMemory({ source: "folder" })], [[], []]);
});
