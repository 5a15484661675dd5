import { diffusionLoss } from "../../../science/diffusion/diffusion_loss.ts";
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { makeModelOutput, modelOutputSignature, packParameters } from "../../../science/diffusion/network.ts";
import { adamBiasCorrections } from "../../../science/diffusion/recipe.ts";
import { makeTrainStep, trainStepSignature } from "../../../science/diffusion/train_step.ts";
import type { Device, HostTensors } from "../../../science/tensor/device.ts";
import { openDevice } from "../../../science/tensor/implementations.ts";
import { randomStream } from "../../../science/tensor/random/stream.ts";
import { startOf, unetOf } from "../../support/unet.ts";
import { SIMPLE_LOSS } from "../../support/objectives.ts";

/** A network so large that engines divide the work among threads. */
const CONFIG = {
  imageSize: 16,
  inChannels: 3,
  outChannels: 3,
  channels: 12,
  multipliers: [1, 2],
  blocks: 1,
  attention: [8],
};
const NETWORK = unetOf(CONFIG);
const BATCH = 2;
const TRAIN_OPTIONS = { ...SIMPLE_LOSS, dropout: 0.1 };
const IMAGES = BATCH * CONFIG.imageSize ** 2 * CONFIG.inChannels;

const random = randomStream({ seed: 1, stream: "test/determinism" });
const images = (step: number) => random.normal(step, IMAGES);
const uniforms = (i: number, count: number) => randomStream({ seed: 1, stream: "test/weights" }).uniform(i, count);
const params = packParameters(startOf(NETWORK, (count, i) => uniforms(i, count).map((u) => 1 - u)), NETWORK);

function sha256(outputs: HostTensors): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(outputs).sort()) {
    const { buffer, byteOffset, byteLength } = outputs[name]!;
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex");
}

/** Returns the results of a training step, and the state after it. */
async function train(device: Device): Promise<string[]> {
  const signature = trainStepSignature(diffusionLoss(NETWORK, TRAIN_OPTIONS), BATCH);
  const compiled = await device.compile(
    makeTrainStep(diffusionLoss(NETWORK, TRAIN_OPTIONS)),
    signature,
    { label: "train step" },
  );
  const zeros = () => new Float32Array(params.length);
  const bound = await compiled.bind({ params: params.slice(), m: zeros(), v: zeros(), ema: params.slice() });
  const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(1);
  const results = await bound.run({
    x0: images(1),
    noise: images(2),
    t: random.integers(1, BATCH, 1000),
    sqrtAlphasCumprod: Float32Array.of(0.8, 0.1),
    sqrtOneMinusAlphasCumprod: Float32Array.of(0.6, 0.99),
    learningRate: Float32Array.of(1e-3),
    biasCorrection1: Float32Array.of(biasCorrection1),
    biasCorrection2: Float32Array.of(biasCorrection2),
    emaDecay: Float32Array.of(0.9),
    clipNorm: Float32Array.of(1),
    dropoutKey: random.integers(1, 2, 2 ** 31),
  });
  assert(Number.isFinite(results["loss"]![0]) && results["gradNorm"]![0]! > 0);
  const digests = [sha256(results), sha256(await bound.read())];
  await compiled.dispose();
  return digests;
}

/** Returns the outputs of the network that a sampler uses. */
async function sample(device: Device): Promise<string> {
  const signature = modelOutputSignature(NETWORK, BATCH);
  const compiled = await device.compile(makeModelOutput(NETWORK), signature, { label: "network output" });
  const bound = await compiled.bind({ params: params.slice() });
  const results = await bound.run({ x: images(3), t: new Int32Array(BATCH).fill(7) });
  await compiled.dispose();
  return sha256(results);
}

async function bitsOf(name: "onnx" | "wasm", threads: number): Promise<string[]> {
  const device = await openDevice(name, { threads });
  try {
    return [...await train(device), await sample(device)];
  } finally {
    await device.dispose();
  }
}

// With another number of threads, ONNX Runtime adds in another order: see docs/parity.md.
Deno.test("onnx gives the same bits again with the same number of threads, be it 1, 2 or 4", async () => {
  for (const threads of [1, 2, 4]) assertEquals(await bitsOf("onnx", threads), await bitsOf("onnx", threads));
});

Deno.test("wasm gives the same bits again, and with 1, 2 and 4 threads", async () => {
  const bits = await bitsOf("wasm", 1);
  for (const threads of [1, 2, 4]) assertEquals(await bitsOf("wasm", threads), bits, `${threads} threads`);
});
