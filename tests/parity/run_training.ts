import { diffusionLoss } from "../../science/diffusion/diffusion_loss.ts";
import { adamBiasCorrections, emaDecayAt } from "../../science/diffusion/recipe.ts";
import { makeTrainStep, trainStepSignature } from "../../science/diffusion/train_step.ts";
import { packParameters, unpackParameters } from "../../science/diffusion/network.ts";
import type { Device, HostArray, HostTensors } from "../../science/tensor/device.ts";
import type { SafetensorsTensor } from "../../science/formats/safetensors.ts";
import { unetOf } from "../support/unet.ts";
import type { ExpectedOutput, ParityCase } from "./fixtures.ts";
import { SIMPLE_LOSS } from "../support/objectives.ts";

/** Inputs of the fixture that contain one entry per step: [steps, ...]. */
const PER_STEP = ["x0", "noise", "t", "sqrtAlphasCumprod", "sqrtOneMinusAlphasCumprod"];

/**
 * Runs all training steps of a case, with the state held by the device: returns `loss` and `gradNorm` of each step, and
 * at the end `params/<name>` and `ema/<name>` of each parameter, with attention biases split in three. Only outputs for
 * which the case has expected results are returned.
 */
export async function runTraining(device: Device, { attributes, inputs, outputs }: ParityCase): Promise<HostTensors> {
  const { config, learningRate, clipNorm, emaDecay } = attributes;
  const [steps, batch] = inputs["x0"]!.shape as [number, number];
  const network = unetOf(config);
  const names = network.parameters.map(({ name }) => name);
  const start = Object.fromEntries(names.map((name) => [name, inputs[name]!.data as Float32Array]));
  const params = packParameters(start, network);
  const zeros = new Float32Array(params.length);

  const wanted = new Set(Object.keys(outputs));
  const compiled = await device.compile(
    makeTrainStep(diffusionLoss(network, SIMPLE_LOSS)),
    trainStepSignature(diffusionLoss(network, SIMPLE_LOSS), batch),
    {
      label: "training",
    },
  );
  try {
    const bound = await compiled.bind({ params, m: zeros, v: zeros.slice(), ema: params.slice() });
    const loss = new Float32Array(steps);
    const gradNorm = new Float32Array(steps);
    for (let step = 1; step <= steps; step++) {
      const data = PER_STEP.map((name): [string, HostArray] => {
        const all = inputs[name]!.data as HostArray;
        const size = all.length / steps;
        return [name, all.slice((step - 1) * size, step * size)];
      });
      const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(step);
      const results = await bound.run({
        ...Object.fromEntries(data),
        learningRate: Float32Array.of(learningRate),
        biasCorrection1: Float32Array.of(biasCorrection1),
        biasCorrection2: Float32Array.of(biasCorrection2),
        emaDecay: Float32Array.of(emaDecayAt(step, { decay: emaDecay, warmup: true })),
        clipNorm: Float32Array.of(clipNorm),
      });
      loss[step - 1] = results["loss"]![0]!;
      gradNorm[step - 1] = results["gradNorm"]![0]!;
    }
    const end = await bound.read(["params", "ema"]);
    const named = Object.entries(end).flatMap(([vector, flat]) =>
      Object.entries(unpackParameters(flat as Float32Array, network)).flatMap(([name, data]) =>
        name.endsWith(".qkv.bias") ? thirds(`${vector}/${name}`, data) : [[`${vector}/${name}`, data] as const]
      )
    );
    const all = Object.entries({ loss, gradNorm, ...Object.fromEntries(named) });
    return Object.fromEntries(all.filter(([name]) => wanted.has(name)));
  } finally {
    await compiled.dispose();
  }
}

/** Returns the first steps of a case, for slow devices: their losses and gradient norms, without the final state. */
export function firstSteps(parityCase: ParityCase, count: number): ParityCase {
  const { inputs, outputs } = parityCase;
  const cut = PER_STEP.map((name): [string, SafetensorsTensor] => {
    const { shape: [steps, ...rest], data } = inputs[name]!;
    return [name, { shape: [count, ...rest], data: data.slice(0, data.length / steps! * count) as HostArray }];
  });
  const figures = ["loss", "gradNorm"].map((name): [string, ExpectedOutput] => {
    const expected = outputs[name]!;
    return [name, { ...expected, shape: [count], data: expected.data.slice(0, count) }];
  });
  return { ...parityCase, inputs: { ...inputs, ...Object.fromEntries(cut) }, outputs: Object.fromEntries(figures) };
}

/**
 * Splits an attention bias in three: the keys' bias has no effect, and a separate tolerance: see
 * dev/parity/network_cases.py.
 */
function thirds(name: string, bias: Float32Array<ArrayBuffer>): (readonly [string, HostArray])[] {
  const size = bias.length / 3;
  return ["queries", "keys", "values"].map((part, i) => [`${name} ${part}`, bias.slice(i * size, (i + 1) * size)]);
}
