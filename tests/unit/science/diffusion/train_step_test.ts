import { diffusionLoss } from "../../../../science/diffusion/diffusion_loss.ts";
import { assert, assertEquals } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import "../../../../science/tensor/complete_tfjs.ts";
import type { HostArray, Signature } from "../../../../science/tensor/device.ts";
import { adamBiasCorrections, emaDecayAt } from "../../../../science/diffusion/recipe.ts";
import { makeTrainStep, trainStepSignature } from "../../../../science/diffusion/train_step.ts";
import type { UnetConfig } from "../../../../science/diffusion/unet/config.ts";
import { type Network, packParameters } from "../../../../science/diffusion/network.ts";
import { assertAllClose, assertClose } from "./assert_close.ts";
import { PseudoRandom } from "./pseudo_random.ts";
import { startOf, unetOf } from "../../../support/unet.ts";
import { SIMPLE_LOSS } from "../../../support/objectives.ts";

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
/** For many steps: one level, no attention. */
const PLAIN = unetOf({ ...CONFIG, multipliers: [1], attention: [] });
const BATCH = 2;
const PIXELS = BATCH * 16;

function tensors(signature: Signature, feeds: Record<string, HostArray>): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(signature).map(([name, { shape, dtype }]) => [name, tf.tensor(feeds[name]!, [...shape], dtype)]),
  );
}

function freshParameters(network: Network): Float32Array<ArrayBuffer> {
  const source = new PseudoRandom(1);
  return packParameters(startOf(network, (count) => source.uniforms(count)), network);
}

function trainFeeds(step: number, state: Record<string, HostArray>): Record<string, HostArray> {
  const random = new PseudoRandom(99);
  const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(step);
  return {
    ...state,
    x0: random.symmetric(PIXELS),
    t: Int32Array.of(1, 5),
    noise: random.symmetric(PIXELS, Math.sqrt(3)),
    sqrtAlphasCumprod: Float32Array.of(0.8, 0.6),
    sqrtOneMinusAlphasCumprod: Float32Array.of(0.6, 0.8),
    learningRate: Float32Array.of(1e-2),
    biasCorrection1: Float32Array.of(biasCorrection1),
    biasCorrection2: Float32Array.of(biasCorrection2),
    emaDecay: Float32Array.of(emaDecayAt(step, { decay: 0.99, warmup: true })),
    clipNorm: Float32Array.of(1),
  };
}

function runTrainStep(step: number, state: Record<string, HostArray>, network = NETWORK): Record<string, Float32Array> {
  return tf.tidy(() => {
    const inputs = tensors(
      trainStepSignature(diffusionLoss(network, SIMPLE_LOSS), BATCH),
      trainFeeds(step, state),
    );
    const outputs = makeTrainStep(diffusionLoss(network, SIMPLE_LOSS))(inputs);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, Float32Array.from(tensor.dataSync())]),
    );
  });
}

function freshState(network = NETWORK): Record<string, HostArray> {
  const params = freshParameters(network);
  return { params, m: new Float32Array(params.length), v: new Float32Array(params.length), ema: params.slice() };
}

Deno.test("makeTrainStep() starts at the loss of predicting zero", () => {
  const { noise } = trainFeeds(1, freshState());
  const out = runTrainStep(1, freshState());
  const perImage = [0, 1].map((i) =>
    Array.from(noise!.slice(i * 16, (i + 1) * 16)).reduce((sum, x) => sum + x * x, 0) / 16
  );
  // A new network predicts values below 1e-4.
  assertAllClose(out["lossPerImage"]!, perImage, { rel: 1e-3 });
  assertClose(out["loss"]![0]!, (perImage[0]! + perImage[1]!) / 2, { rel: 1e-3 });
  assertEquals(Object.keys(out).sort(), ["ema", "gradNorm", "loss", "lossPerImage", "m", "params", "v"]);
});

Deno.test("makeTrainStep() memorises one batch within 60 steps", () => {
  let state = freshState(PLAIN);
  const losses: number[] = [];
  for (let step = 1; step <= 60; step++) {
    const { params, m, v, ema, loss, gradNorm } = runTrainStep(step, state, PLAIN);
    assert(gradNorm![0]! > 0);
    state = { params, m, v, ema } as Record<string, HostArray>;
    losses.push(loss![0]!);
  }
  assert(losses.at(-1)! < 0.3 * losses[0]!, `loss went from ${losses[0]} to ${losses.at(-1)}`);
});

Deno.test("makeTrainStep() averages the new parameters into ema with the decay it is given", () => {
  const state = freshState();
  state["ema"] = new Float32Array(state["params"]!.length).fill(3);
  const { params, ema } = runTrainStep(1, state);
  const decay = emaDecayAt(1, { decay: 0.99, warmup: true });
  assertAllClose(ema!, params!.map((p) => decay * 3 + (1 - decay) * p), { abs: 1e-6 });
});

Deno.test("makeTrainStep() returns the gradient of the batch mean in m when the moments start at zero", () => {
  const state = freshState();
  state["params"] = new PseudoRandom(21).symmetric(state["params"]!.length, 0.4);
  const { m, gradNorm, v } = runTrainStep(1, state);
  // The clip scales the gradient to norm 1 if its norm is larger; m is 0.1 of the clipped gradient, v 0.001 of its
  // square.
  const norm = Math.sqrt(m!.reduce((sum, x) => sum + 100 * x * x, 0));
  assertClose(norm, Math.min(1, gradNorm![0]!), { rel: 1e-4 });
  assertAllClose(v!, m!.map((x) => 0.001 * (10 * x) ** 2), { rel: 1e-4, abs: 1e-20 });

  // Along the clipped gradient, the batch loss rises by gradNorm per unit length. Central difference, float32.
  const lossAt = (distance: number) =>
    runTrainStep(1, {
      ...state,
      params: state["params"]!.map((p, i) => p + distance * 10 * m![i]! / norm) as HostArray,
    })
      .loss![0]!;
  assertClose((lossAt(1e-3) - lossAt(-1e-3)) / 2e-3, gradNorm![0]!, { rel: 2e-2 });
});

Deno.test("makeTrainStep() leaves no tensors behind when run in a tidy", () => {
  runTrainStep(1, freshState());
  const before = tf.memory().numTensors;
  runTrainStep(1, freshState());
  assertEquals(tf.memory().numTensors, before);
});
