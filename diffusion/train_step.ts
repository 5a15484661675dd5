import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import { adamStep, clipFactor, emaStep, globalNorm } from "./optimizer.ts";
import { batchGradients, batchSignature, type GradientOptions } from "./gradient_step.ts";
import { type Network, sizeOf } from "./network.ts";

/** The vectors that an update reads and writes: [P] each. */
const VECTORS = ["params", "m", "v", "ema"] as const;

const SCALARS = ["learningRate", "biasCorrection1", "biasCorrection2", "emaDecay", "clipNorm"] as const;

type UpdateInputs = Record<typeof VECTORS[number] | typeof SCALARS[number], tf.Tensor>;

/** Returns the inputs of an update besides the gradients; scalars come from `adamBiasCorrections` and `emaDecayAt`. */
function stateSignature(network: Network): Signature {
  const flat: TensorSpec = { shape: [network.count], dtype: "float32" };
  const scalar: TensorSpec = { shape: [], dtype: "float32" };
  return Object.fromEntries([
    ...VECTORS.map((name) => [name, flat] as const),
    ...SCALARS.map((name) => [name, scalar] as const),
  ]);
}

/**
 * Clips the gradients by their global norm, makes one step of Adam, and updates the moving average.
 *
 * @param inputs those of `stateSignature`
 * @param grads flat, by parameter in the order of `network.parameters`
 * @returns the next `params`, `m`, `v`, `ema` [P], and `gradNorm` [], before clipping
 */
function updateState(inputs: NamedTensors, grads: readonly tf.Tensor[], network: Network) {
  const input = inputs as UpdateInputs;
  const layout = optimizerBlocks(network.parameters.map(sizeOf));
  const blockGrads = layout.map(({ first, count }) => joined(grads.slice(first, first + count)));
  const gradNorm = globalNorm(blockGrads);
  const clip = clipFactor(gradNorm, input.clipNorm);
  const blocks = layout.map(({ start, length }, i) => {
    const part = (vector: tf.Tensor) => tf.slice(vector, start, length);
    const moments = { params: part(input.params), m: part(input.m), v: part(input.v) };
    const next = adamStep(moments, blockGrads[i]!, clip, input);
    return { ...next, ema: emaStep(part(input.ema), next.params, input.emaDecay) };
  });
  const whole = (name: typeof VECTORS[number]) => joined(blocks.map((block) => block[name]));
  return { params: whole("params"), m: whole("m"), v: whole("v"), ema: whole("ema"), gradNorm };
}

/**
 * One training step (Ho et al. 2020, algorithm 1, with Adam, global-norm clipping and the moving average) as one
 * function.
 *
 * Inputs and their shapes: `trainStepSignature`. x0 is in [-1, 1]; `stepFigures` are evaluated at each image's t; the
 * scalars come from `adamBiasCorrections` and `emaDecayAt`; `dropoutKey` is a different pair of integers at each step;
 * `importance` multiplies each image's loss. Outputs: the next `params`, `m`, `v`, `ema` [P]; `loss` [], the batch mean
 * before the update; `gradNorm` [], before clipping; `lossPerImage` [B], without the importance.
 */
export function makeTrainStep(network: Network, options: GradientOptions): PureFunction {
  return (inputs) => {
    const { grads, ...losses } = batchGradients(inputs, network, options);
    return { ...updateState(inputs, grads, network), ...losses };
  };
}

/** Returns the inputs of `makeTrainStep` with the same network and options for batches of `batch` images. */
export function trainStepSignature(network: Network, batch: number, options: GradientOptions): Signature {
  return { ...stateSignature(network), ...batchSignature(network, batch, options) };
}

/**
 * The update alone, from gradients that were accumulated elsewhere. Inputs: `updateStepSignature`. Outputs:
 * `updateState`.
 */
export function makeUpdateStep(network: Network): PureFunction {
  const sizes = network.parameters.map(sizeOf);
  return ({ grads, ...inputs }) => updateState(inputs, tf.split(grads!, sizes), network);
}

export function updateStepSignature(network: Network): Signature {
  return { ...stateSignature(network), grads: { shape: [network.count], dtype: "float32" } };
}

/** Half a megabyte of float32: the dozen passes of an update then find the block in the processor's cache. */
const BLOCK_LENGTH = 2 ** 17;

/**
 * Cuts the flat vector into blocks. A parameter as large as a block has its own, so that its gradient need not be
 * copied; small parameters share a block, so that there are few operations.
 *
 * @returns for each block, its place in the flat vector, and the first and the number of its parameters
 */
function optimizerBlocks(sizes: readonly number[]) {
  const blocks: Readonly<Record<"start" | "length" | "first" | "count", number>>[] = [];
  let start = 0;
  sizes.forEach((size, i) => {
    const last = blocks.at(-1);
    if (last !== undefined && size < BLOCK_LENGTH && last.length + size <= BLOCK_LENGTH) {
      blocks[blocks.length - 1] = { ...last, length: last.length + size, count: last.count + 1 };
    } else {
      blocks.push({ start, length: size, first: i, count: 1 });
    }
    start += size;
  });
  return blocks;
}

function joined(parts: readonly tf.Tensor[]): tf.Tensor {
  return parts.length === 1 ? parts[0]! : tf.concat([...parts]);
}
