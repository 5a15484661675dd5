import { diffusionLoss } from "../../../../science/diffusion/diffusion_loss.ts";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import type { HostArray, HostTensors } from "../../../../science/tensor/device.ts";
import { makeTrainStep, trainStepSignature } from "../../../../science/diffusion/train_step.ts";
import type { UnetConfig } from "../../../../science/diffusion/unet/config.ts";
import { unpackParameters } from "../../../../science/diffusion/network.ts";
import { planUnet } from "../../../../science/diffusion/unet/plan.ts";
import { openOnnxDevice } from "../../../../science/tensor/onnx/device.ts";
import {
  KEEP_MASK,
  keepMask,
  type KeepMaskAttributes,
  registerHostKeepMask,
} from "../../../../science/tensor/random/keep_mask.ts";
import { liveValues } from "../../../../science/tensor/trace/graph.ts";
import { trace } from "../../../../science/tensor/trace/trace.ts";
import { float32, int32 } from "../../../support/tensors.ts";
import { unetOf } from "../../../support/unet.ts";
import { PseudoRandom } from "./pseudo_random.ts";
import { SIMPLE_LOSS } from "../../../support/objectives.ts";

registerHostKeepMask("cpu");
await tf.setBackend("cpu");

const CONFIG: UnetConfig = {
  imageSize: 4,
  inChannels: 1,
  outChannels: 1,
  channels: 4,
  multipliers: [1, 2],
  blocks: 1,
  attention: [2],
};
const NETWORK = unetOf(CONFIG);
const BATCH = 2;

interface Dropped {
  readonly key: tf.Tensor;
  readonly rate: number;
}

/** Dropout as the loss of a batch applies it. */
function dropout(x: tf.Tensor, { key, rate }: Dropped, site: number): tf.Tensor {
  return tf.mul(x, keepMask(key, x.shape, { site, rate }));
}

function randomParameters(): Float32Array<ArrayBuffer> {
  return new PseudoRandom(21).symmetric(NETWORK.count, 0.4);
}

/**
 * Returns the U-Net's output for one input, with every mask filled with `value`; records the masks that were requested.
 */
function unetWithMasks(value: number, change: Change = (_, data) => data) {
  const asked: KeepMaskAttributes[] = [];
  tf.unregisterKernel(KEEP_MASK, "cpu");
  tf.registerKernel({
    kernelName: KEEP_MASK,
    backendName: "cpu",
    kernelFunc: ({ attrs }) => {
      const mask = attrs as unknown as KeepMaskAttributes;
      asked.push(mask);
      return tf.fill([...mask.shape], value);
    },
  });
  try {
    return { asked, output: runUnet(change, { key: tf.zeros([2], "int32"), rate: 0.25 }) };
  } finally {
    tf.unregisterKernel(KEEP_MASK, "cpu");
    registerHostKeepMask("cpu");
  }
}

type Change = (name: string, data: Float32Array) => Float32Array;

/** @param change replaces the random parameters */
function runUnet(change: Change = (_, data) => data, dropped?: Dropped): number[] {
  return tf.tidy(() => {
    const named = unpackParameters(randomParameters(), NETWORK);
    const weights = Object.fromEntries(
      NETWORK.parameters.map(({ name, shape }) => [name, tf.tensor(change(name, named[name]!), [...shape])]),
    );
    const x = tf.tensor(new PseudoRandom(3).symmetric(BATCH * 16, 1), [BATCH, 4, 4, 1]);
    let site = 0;
    const drop = (h: tf.Tensor) => dropped === undefined ? h : dropout(h, dropped, site++);
    return Array.from(NETWORK.forward({ weights, x, t: tf.tensor1d([1, 5], "int32"), dropout: drop }).dataSync());
  });
}

Deno.test("unet() drops once in each residual block, by masks of different sites", () => {
  const { asked, output } = unetWithMasks(1);
  const { down, middle, up } = planUnet(CONFIG);
  const blocks = [...down.flatMap((level) => level.blocks), ...middle, ...up.flatMap((level) => level.blocks)];
  assertEquals(asked.map(({ site }) => site), blocks.map((_, index) => index));
  assertEquals(asked.map(({ shape }) => shape.at(-1)), blocks.map(({ outChannels }) => outChannels));
  assert(asked.every(({ shape, rate }) => shape[0] === BATCH && rate === 0.25));
  assertEquals(output, runUnet());
});

Deno.test("unet() drops the input of each second convolution and nothing else", () => {
  const doubled = (pattern: RegExp): Change => (name, data) => pattern.test(name) ? data.map((x) => 2 * x) : data;
  const dropped = unetWithMasks(0).output;
  // If all of it is dropped, the layers before it and the weights that it is multiplied with have no effect.
  const idle = /block\.\d+\.(norm1|conv1|time|norm2)\.|block\.\d+\.conv2\.kernel/;
  assertNotEquals(runUnet(doubled(idle)), runUnet());
  assertEquals(unetWithMasks(0, doubled(idle)).output, dropped);
  for (const alive of [/block\.\d+\.conv2\.bias/, /shortcut/, /downsample/, /attention/]) {
    assertNotEquals(unetWithMasks(0, doubled(alive)).output, dropped);
  }
});

Deno.test("dropout() scales what it keeps, and its gradient by the same mask", () => {
  const key = tf.tensor1d([3, 4], "int32");
  const x = tf.tensor(new PseudoRandom(5).symmetric(2 * 50, 1), [2, 50]);
  const mask = keepMask(key, [2, 50], { site: 7, rate: 0.3 }).dataSync();
  const dy = tf.tensor(new PseudoRandom(6).symmetric(2 * 50, 1), [2, 50]);
  assert(mask.some((value) => value === 0) && mask.some((value) => value > 1.4));
  const drop = (x: tf.Tensor) => dropout(x, { key, rate: 0.3 }, 7);
  assertEquals(drop(x).dataSync(), x.dataSync().map((value, i) => value * mask[i]!));
  assertEquals(tf.grad(drop)(x, dy).dataSync(), dy.dataSync().map((value, i) => value * mask[i]!));
});

Deno.test("dropout() on device onnx has the mean of its input over keys, and another mask by key, site and image", async () => {
  const device = await openOnnxDevice({ threads: 2 });
  const rate = 0.25;
  const compiled = await device.compile(
    ({ x, key }) => ({ a: dropout(x!, { key: key!, rate }, 0), b: dropout(x!, { key: key!, rate }, 1) }),
    { x: float32(2, 32), key: int32(2) },
  );
  const x = new Float32Array(64).fill(1);
  const sums = new Float64Array(64);
  const masks = new Set<string>();
  const keys = 2000;
  for (let step = 0; step < keys; step++) {
    const { a, b } = await compiled.run({ x, key: Int32Array.of(step, 99) });
    a!.forEach((value, i) => sums[i]! += value / keys);
    if (step < 50) {
      for (const mask of [a!.slice(0, 32), a!.slice(32), b!.slice(0, 32), b!.slice(32)]) masks.add(`${mask}`);
    }
  }
  await device.dispose();
  // One element has variance rate / (1 - rate); 64 means of 2000 keys stay within 4.5 standard deviations.
  const deviation = Math.sqrt(rate / (1 - rate) / keys);
  for (const mean of sums) assert(Math.abs(mean - 1) < 4.5 * deviation, `mean ${mean}`);
  assertEquals(masks.size, 200);
});

function trainFeeds(dropoutKey?: Int32Array<ArrayBuffer>): HostTensors {
  const params = randomParameters();
  const random = new PseudoRandom(99);
  const numbers: Record<string, HostArray> = {
    params,
    m: new Float32Array(params.length),
    v: new Float32Array(params.length),
    ema: params,
    x0: random.symmetric(BATCH * 16),
    t: Int32Array.of(1, 5),
    noise: random.symmetric(BATCH * 16, Math.sqrt(3)),
    sqrtAlphasCumprod: Float32Array.of(0.8, 0.6),
    sqrtOneMinusAlphasCumprod: Float32Array.of(0.6, 0.8),
    learningRate: Float32Array.of(1e-2),
    biasCorrection1: Float32Array.of(0.1),
    biasCorrection2: Float32Array.of(0.001),
    emaDecay: Float32Array.of(0.9),
    clipNorm: Float32Array.of(1),
  };
  return dropoutKey === undefined ? numbers : { ...numbers, dropoutKey };
}

Deno.test("a train step with dropout is a pure function of its key", async () => {
  const device = await openOnnxDevice({ threads: 2 });
  const options = { ...SIMPLE_LOSS, dropout: 0.3 };
  const step = () =>
    device.compile(
      makeTrainStep(diffusionLoss(NETWORK, options)),
      trainStepSignature(diffusionLoss(NETWORK, options), BATCH),
    );
  const [first, second] = [await step(), await step()];
  const once = await first.run(trainFeeds(Int32Array.of(1, 2)));
  await first.run(trainFeeds(Int32Array.of(7, 8)));
  assertEquals(await first.run(trainFeeds(Int32Array.of(1, 2))), once);
  assertEquals(await second.run(trainFeeds(Int32Array.of(1, 2))), once);
  for (const other of [Int32Array.of(2, 2), Int32Array.of(1, 3)]) {
    assertNotEquals((await first.run(trainFeeds(other)))["params"], once["params"]);
  }
  await device.dispose();
});

Deno.test("a train step with dropout 0 is the one without", () => {
  const operations = (dropped: { dropout?: number } = {}) => {
    const options = { ...SIMPLE_LOSS, ...dropped };
    const traced = trace(
      makeTrainStep(diffusionLoss(NETWORK, options)),
      trainStepSignature(diffusionLoss(NETWORK, options), BATCH),
      "train step",
    );
    return liveValues(traced.outputs.values()).map((value) => [value.id, value.kind === "operation" ? value.op : ""]);
  };
  assertEquals(
    trainStepSignature(diffusionLoss(NETWORK, { ...SIMPLE_LOSS, dropout: 0 }), BATCH),
    trainStepSignature(diffusionLoss(NETWORK, SIMPLE_LOSS), BATCH),
  );
  assertEquals(operations({ dropout: 0 }), operations());
  assert(operations({ dropout: 0.1 }).length > operations().length);
});
