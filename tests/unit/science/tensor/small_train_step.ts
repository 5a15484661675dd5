import { diffusionLoss } from "../../../../science/diffusion/diffusion_loss.ts";
import { assert, assertEquals } from "@std/assert";
import type { Device, HostArray, HostTensors, PureFunction, Signature } from "../../../../science/tensor/device.ts";
import { makeTrainStep, trainStepSignature } from "../../../../science/diffusion/train_step.ts";
import type { UnetConfig } from "../../../../science/diffusion/unet/config.ts";
import { packParameters } from "../../../../science/diffusion/network.ts";
import { randomStream } from "../../../../science/tensor/random/stream.ts";
import { assertCloseArrays, sampleFeeds } from "../../../support/tensors.ts";
import { startOf, unetOf } from "../../../support/unet.ts";
import { SIMPLE_LOSS } from "../../../support/objectives.ts";

/** The smallest network with every part: two levels, a stride, a skip with a shortcut, attention at both places. */
export const SMALL_UNET: UnetConfig = {
  imageSize: 8,
  inChannels: 2,
  outChannels: 2,
  channels: 8,
  multipliers: [1, 2],
  blocks: 1,
  attention: [4],
};
const NETWORK = unetOf(SMALL_UNET);
const BATCH = 3;

export const SMALL_STEP: PureFunction = makeTrainStep(diffusionLoss(NETWORK, SIMPLE_LOSS));
export const SMALL_STEP_INPUTS: Signature = trainStepSignature(diffusionLoss(NETWORK, SIMPLE_LOSS), BATCH);

/** The state that a training loop carries from step to step. */
export const STATE = ["params", "m", "v", "ema"] as const;

/**
 * Returns a state from the middle of a training. The second moment is far from zero: in a first step every gradient,
 * however small, moves its parameter by the learning rate, and rounding decides the sign of the smallest.
 */
export function smallState(): HostTensors {
  const uniform = (name: string, count: number) => randomStream({ seed: 5, stream: `test/${name}` }).uniform(0, count);
  const params = packParameters(
    startOf(NETWORK, (count, i) => Float32Array.from(uniform(`kernel ${i}`, count))),
    NETWORK,
  );
  // Layers that start at zero take part, too.
  const shifts = uniform("shifts", params.length);
  const shifted = params.map((value, i) => value + 0.1 * (shifts[i]! - 0.5));
  return {
    params: shifted,
    m: Float32Array.from(uniform("m", params.length), (u) => 1e-3 * (u - 0.5)),
    v: Float32Array.from(uniform("v", params.length), (u) => 1e-4 * (1 + u)),
    ema: shifted.slice(),
  };
}

/** Returns all inputs except the state; other images at each step. */
export function smallBatch(step: number): HostTensors {
  const { x0, noise, t } = sampleFeeds(SMALL_STEP_INPUTS, { bound: 1000, seed: step });
  return {
    x0: x0!,
    noise: noise!,
    t: t!,
    sqrtAlphasCumprod: Float32Array.of(0.9, 0.6, 0.3),
    sqrtOneMinusAlphasCumprod: Float32Array.of(0.44, 0.8, 0.95),
    learningRate: Float32Array.of(1e-2),
    biasCorrection1: Float32Array.of(0.6),
    biasCorrection2: Float32Array.of(0.3),
    emaDecay: Float32Array.of(0.9),
    clipNorm: Float32Array.of(1),
  };
}

/** Runs the step on both devices and compares them. */
export async function assertSameStep(device: Device, reference: Device): Promise<void> {
  const feeds = { ...smallState(), ...smallBatch(1) };
  const [got, wanted] = await Promise.all([device, reference].map(async (each) => {
    const compiled = await each.compile(SMALL_STEP, SMALL_STEP_INPUTS, { label: "train step" });
    return await compiled.run(feeds);
  })) as [HostTensors, HostTensors];
  assertEquals(Object.keys(got).sort(), Object.keys(wanted).sort());
  for (const name of ["loss", "lossPerImage", "gradNorm"]) assertCloseArrays(got[name]!, wanted[name]!, 1e-4, name);
  for (const name of STATE) {
    const distance = largestDifference(got[name]!, wanted[name]!);
    assert(distance < 1e-5, `${name}: differs by ${distance}`);
  }
  // The step is large compared with the tolerance.
  const moved = largestDifference(got["params"]!, feeds["params"]!);
  assert(moved > 1e-3, `the parameters moved by ${moved} only`);
}

function largestDifference(a: HostArray, b: HostArray): number {
  let largest = 0;
  for (const [i, value] of a.entries()) largest = Math.max(largest, Math.abs(value - b[i]!));
  return largest;
}

/** Checks that three steps with held state equal three steps that pass the state on explicitly, to the bit. */
export async function assertHeldState(device: Device): Promise<void> {
  const compiled = await device.compile(SMALL_STEP, SMALL_STEP_INPUTS, { label: "train step" });
  const bound = await compiled.bind(smallState());
  let state = smallState();
  for (const step of [1, 2, 3]) {
    const { loss, ...held } = await bound.run(smallBatch(step));
    const explicit = await compiled.run({ ...state, ...smallBatch(step) });
    assertEquals(loss, explicit["loss"]);
    assertEquals(Object.keys(held).sort(), ["gradNorm", "lossPerImage"]);
    state = Object.fromEntries(STATE.map((name) => [name, explicit[name]!]));
  }
  assertEquals(await bound.read(), state);
  assertEquals(await bound.read(["ema"]), { ema: state["ema"]! });
  await bound.dispose();
  await compiled.dispose();
}
