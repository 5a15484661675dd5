import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../science/tensor/complete_tfjs.ts";
import { networkOf } from "../../../artifacts/checkpoint.ts";
import { lessMemory } from "../../../engine/contract/less_memory.ts";
import { makeAutoencoder } from "../../../science/diffusion/autoencoder/autoencoder.ts";
import builtin from "../../../science/diffusion/autoencoder/network.ts";
import { BUILTIN_AUTOENCODER } from "../../../science/diffusion/autoencoders.ts";
import { countOf, makeModelOutput, modelOutputSignature, unpackTensors } from "../../../science/diffusion/network.ts";
import { type UnetConfig, validateUnetConfig } from "../../../science/diffusion/unet/config.ts";
import { BUILTIN_NETWORK } from "../../../science/diffusion/networks.ts";
import type { NamedTensors } from "../../../science/tensor/mod.ts";
import { liveValues, sizeOf } from "../../../science/tensor/trace/graph.ts";
import { trace } from "../../../science/tensor/trace/trace.ts";
import {
  autoencoderKind,
  datasetKind,
  decodeKind,
  encodeKind,
  sampleKind,
  trainKind,
} from "../../support/builtin_kinds.ts";

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
    assertEquals(countOf(BUILTIN_NETWORK.parameters(record)), network.count);
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

const AUTOENCODERS = [
  { side: 16, channels: 1, model: { channels: 32, multipliers: [1, 2], blocks: 1, latentChannels: 4 } },
  { side: 32, channels: 3, model: { channels: 64, multipliers: [1, 2, 4], blocks: 2, latentChannels: 3 } },
  { side: 16, channels: 3, model: { channels: 32, multipliers: [1, 1, 2], blocks: 1, attention: [1] } },
];

Deno.test("activations and parameters of the autoencoder are about those of its trace, without one", async () => {
  await tf.ready();
  const batch = 10_007;
  for (const { side, channels, model } of AUTOENCODERS) {
    const sizes = { height: side, width: side, channels };
    const params = BUILTIN_AUTOENCODER.params.parse(model);
    const record = BUILTIN_AUTOENCODER.recordOf(sizes, params);
    const autoencoder = makeAutoencoder(sizes, builtin.build(sizes, params as never));
    const { encoder, decoder } = { encoder: ["encoder"], decoder: ["decoder"] } as const;
    const work = (halves?: readonly ("encoder" | "decoder")[]) => BUILTIN_AUTOENCODER.work(record, sizes, halves);
    assertEquals(work().parameters, autoencoder.count);
    const { height, width, channels: depth } = autoencoder.latent;
    const dropout = (h: tf.Tensor) => h;
    const weightsOf = (inputs: NamedTensors) => unpackTensors(inputs["params"]!, autoencoder);
    const functions = {
      encoder: (inputs: NamedTensors): NamedTensors => ({
        mean: autoencoder.encode({ weights: weightsOf(inputs), x: inputs["x"]!, dropout }).mean,
      }),
      decoder: (inputs: NamedTensors): NamedTensors => ({
        x: autoencoder.decode({ weights: weightsOf(inputs), z: inputs["x"]!, dropout }),
      }),
    };
    for (const [half, halves] of [["encoder", encoder], ["decoder", decoder]] as const) {
      const shape = half === "encoder" ? [batch, side, side, channels] : [batch, height, width, depth];
      const { outputs } = trace(functions[half], {
        params: { shape: [autoencoder.count], dtype: "float32" },
        x: { shape, dtype: "float32" },
      }, half);
      const computed = liveValues(outputs.values()).filter((value) =>
        value.kind === "operation" && !["Reshape", "Transpose", "Expand"].includes(value.op) &&
        value.shape.some((length) => length % batch === 0)
      );
      const traced = computed.reduce((sum, { shape }) => sum + sizeOf(shape), 0) / batch;
      const ratio = traced / work(halves).activations;
      assert(ratio > 0.9 && ratio < 1.1, `${half} of ${JSON.stringify(model)}: ${ratio}`);
    }
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

Deno.test("forecasts of autoencoder, encode and decode count the halves that a pass goes through", () => {
  const images = { height: 64, width: 64, channels: 3, count: 100 };
  // kl-f4 of Rombach et al.; GFLOP of the halves by torch.utils.flop_counter on diffusers' AutoencoderKL.
  const [encoding, decoding] = [19.571165184, 39.898059264];
  const model = { channels: 128, multipliers: [1, 2, 4], blocks: 2, latentChannels: 3 };
  const params = autoencoderKind.params.parse({ model, steps: 10, batchSize: 8 });
  const trained = autoencoderKind.check!(params, { images } as never);
  const autoencoder = trained.facts!["autoencoder"]!;
  const encoded = encodeKind.check!(encodeKind.params.parse({ flip: true }), { images, autoencoder });
  const decoded = decodeKind.check!(decodeKind.params.parse({}), {
    samples: encoded.facts!["images"]!,
    autoencoder,
  });
  const near = (got: number | undefined, wanted: number) => assert(Math.abs(got! / wanted - 1) < 1e-9, `${got}`);
  near(trained.workGflop, 3 * 80 * (encoding + decoding));
  near(encoded.workGflop, 200 * encoding);
  near(decoded.workGflop, 200 * decoding);
  // A U-Net with the same blocks tells how fast this machine is.
  const { network, images: probed } = trained.probe!.params as { network: UnetConfig; images: number };
  assertEquals(validateUnetConfig(network), []);
  assertEquals([network.channels, network.multipliers, network.imageSize], [128, [1, 2, 4], 64]);
  assertEquals(trained.probe!.stepGflop, 3 * probed * BUILTIN_NETWORK.forwardGflop(network));
  // More in a training; and less for smaller batches.
  assert(trained.memoryBytes! > trained.batchMemory!.first && trained.batchMemory!.first > encoded.batchMemory!.first);
  assert(decoded.memoryBytes! > encoded.memoryBytes! && encoded.memoryBytes! > encoded.batchMemory!.first);
  // Sampling decodes the 64 images of its picture, 8 at a time.
  const unet = trainKind.params.parse({ steps: 1, model: { channels: 32, multipliers: [1, 2], attention: [] } });
  const { checkpoint } = trainKind.check!(unet, { images: encoded.facts!["images"]! }).facts!;
  const sampled = (more: object) =>
    sampleKind.check!(sampleKind.params.parse({ count: 100 }), {
      checkpoint: { ...checkpoint, timesteps: 9 },
      ...more,
    });
  const [bare, shown] = [sampled({}), sampled({ autoencoder })];
  const eight = decodeKind.check!(decodeKind.params.parse({ batchSize: 8 }), {
    samples: encoded.facts!["images"]!,
    autoencoder,
  });
  near(shown.workGflop! - bare.workGflop!, 64 * decoding);
  assertEquals(shown.memoryBytes! - bare.memoryBytes!, eight.memoryBytes! - 200e6);
  assertEquals(shown.batchMemory!.first - bare.batchMemory!.first, eight.memoryBytes! - 200e6);
  const own = { ...params, model: { uses: "./mine.ts" } };
  assertEquals(autoencoderKind.check!(own as never, { images } as never).memoryBytes, undefined);
});

Deno.test("plans know the disk that results take, where number and size are declared", () => {
  const cifar = datasetKind.check!({ source: "cifar10" }, {});
  assertEquals(cifar.diskBytes, 60_000 * 32 * 32 * 3);
  const folder = { source: "folder", path: "/x", size: 24 } as const;
  assertEquals(datasetKind.check!(folder, {}).diskBytes, undefined);
  const images = { height: 64, width: 64, channels: 3, count: 100 };
  const model = { channels: 32, multipliers: [1, 2], blocks: 1, latentChannels: 3 };
  const params = autoencoderKind.params.parse({ model, steps: 1, batchSize: 8 });
  const { autoencoder } = autoencoderKind.check!(params, { images } as never).facts!;
  const encoded = (more: object) =>
    encodeKind.check!(encodeKind.params.parse(more), { images, autoencoder: autoencoder! });
  // Floats of 32x32 latents with three means each, and as many deviations.
  assertEquals(encoded({ posterior: "mode" }).diskBytes, 100 * 32 * 32 * 3 * 4);
  assertEquals(encoded({ flip: true }).diskBytes, 2 * 2 * 100 * 32 * 32 * 3 * 4);
  const samples = encoded({}).facts!["images"]!;
  const decoded = decodeKind.check!(decodeKind.params.parse({}), { samples, autoencoder: autoencoder! });
  assertEquals(decoded.diskBytes, 100 * 64 * 64 * 3);
  const unet = { channels: 32, multipliers: [1, 2], blocks: 1, attention: [] };
  const trained = trainKind.check!(trainKind.params.parse({ steps: 1, batchSize: 8, model: unet }), { images });
  const { network } = trained.facts!["checkpoint"] as { network: UnetConfig };
  assertEquals(trained.diskBytes, 2 * 4 * countOf(BUILTIN_NETWORK.parameters(network)));
  const sampled = sampleKind.check!(sampleKind.params.parse({ count: 10 }), {
    checkpoint: trained.facts!["checkpoint"]!,
  });
  assertEquals(sampled.diskBytes, 10 * 64 * 64 * 3);
});
