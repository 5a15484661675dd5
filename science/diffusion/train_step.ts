import * as tf from "@tensorflow/tfjs-core";
import type { NamedTensors, PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import { adamStep, clipFactor, emaStep, globalNorm } from "./optimizer.ts";
import { batchGradients, type TrainingLoss } from "./gradient_step.ts";
import { countOf, type Network, sizeOf, trainedParameters } from "./network.ts";
import { type AdamConstants, averagesOf, type EmaOptions } from "./recipe.ts";

/** The vectors that an update reads and writes besides the averages: [P] each. */
const VECTORS = ["params", "m", "v"] as const;

const SCALARS = ["learningRate", "biasCorrection1", "biasCorrection2", "clipNorm"] as const;

/** The parameters that an update changes, and those that it leaves. */
type Parameters = Pick<Network, "parameters" | "count" | "frozen">;

type UpdateInputs = Record<typeof VECTORS[number] | typeof SCALARS[number], tf.Tensor>;

export interface UpdateOptions {
  /** Default: those of Ho et al. 2020. */
  readonly adam?: AdamConstants;
  /** The averages of the weights. Default: one. */
  readonly ema?: Pick<EmaOptions, "others">;
}

/** Returns the inputs of an update besides the gradients; scalars come from `adamSettings` and `emaSettings`. */
function stateSignature(network: Parameters, { adam, ema }: UpdateOptions): Signature {
  const flat: TensorSpec = { shape: [network.count], dtype: "float32" };
  const scalar: TensorSpec = { shape: [], dtype: "float32" };
  return Object.fromEntries([
    ...VECTORS.map((name) => [name, flat] as const),
    ...averagesOf(ema).flatMap(({ vector, input: name }) => [[vector, flat], [name, scalar]] as const),
    ...SCALARS.map((name) => [name, scalar] as const),
    ...(adam !== undefined && adam.weightDecay > 0 ? [["shrinkage", scalar] as const] : []),
  ]);
}

/**
 * Clips the gradients by their global norm, makes one step of Adam, and updates the moving averages.
 *
 * @param inputs those of `stateSignature`
 * @param grads flat, by parameter in the order of `trainedParameters(network)`
 * @returns the next `params`, `m`, `v` and averages [P], and `gradNorm` [], before clipping
 */
function updateState(
  inputs: NamedTensors,
  grads: readonly tf.Tensor[],
  network: Parameters,
  { adam, ema }: UpdateOptions,
): NamedTensors {
  const input = inputs as UpdateInputs;
  const averages = averagesOf(ema);
  const layout = optimizerBlocks(network);
  const blockGrads = layout.map(({ first, count }) =>
    count === 0 ? undefined : joined(grads.slice(first, first + count))
  );
  const gradNorm = globalNorm(blockGrads.filter((grad) => grad !== undefined));
  const clip = clipFactor(gradNorm, input.clipNorm);
  const names = [...VECTORS, ...averages.map(({ vector }) => vector)];
  const blocks = layout.map(({ start, length }, i): NamedTensors => {
    const part = (vector: tf.Tensor) => tf.slice(vector, start, length);
    const grad = blockGrads[i];
    if (grad === undefined) return Object.fromEntries(names.map((name) => [name, part(inputs[name]!)]));
    const moments = { params: part(input.params), m: part(input.m), v: part(input.v) };
    const next = adamStep(moments, grad, clip, input, adam);
    const averaged = averages.map(({ vector, input: name }) =>
      [vector, emaStep(part(inputs[vector]!), next.params, inputs[name]!)] as const
    );
    return { ...next, ...Object.fromEntries(averaged) };
  });
  return { ...Object.fromEntries(names.map((name) => [name, joined(blocks.map((block) => block[name]!))])), gradNorm };
}

/**
 * One training step (Ho et al. 2020, algorithm 1, with Adam, global-norm clipping and the moving averages) as one
 * function.
 *
 * Inputs and their shapes: `trainStepSignature`. The scalars come from `adamSettings` and `emaSettings`; `dropoutKey`
 * is a different pair of integers at each step; `importance` multiplies each image's loss. Outputs: the next `params`,
 * `m`, `v` and averages [P]; `loss` [], the batch mean before the update; `gradNorm` [], before clipping;
 * `lossPerImage` [B], without the importance; `terms` [terms].
 */
export function makeTrainStep(loss: TrainingLoss, options: UpdateOptions = {}): PureFunction {
  return (inputs) => {
    const { grads, ...losses } = batchGradients(inputs, loss);
    return { ...updateState(inputs, grads, loss, options), ...losses };
  };
}

/** Returns the inputs of `makeTrainStep` with the same loss and options for batches of `batch` images. */
export function trainStepSignature(loss: TrainingLoss, batch: number, options: UpdateOptions = {}): Signature {
  return { ...stateSignature(loss, options), ...loss.batchSignature(batch) };
}

/**
 * The update alone, from gradients that were accumulated elsewhere. Inputs: `updateStepSignature`. Outputs:
 * `updateState`.
 */
export function makeUpdateStep(network: Parameters, options: UpdateOptions): PureFunction {
  const sizes = trainedParameters(network).map(sizeOf);
  return ({ grads, ...inputs }) => updateState(inputs, tf.split(grads!, sizes), network, options);
}

export function updateStepSignature(network: Parameters, options: UpdateOptions): Signature {
  return {
    ...stateSignature(network, options),
    grads: { shape: [countOf(trainedParameters(network))], dtype: "float32" },
  };
}

/** Half a megabyte of float32: the dozen passes of an update then find the block in the processor's cache. */
const BLOCK_LENGTH = 2 ** 17;

/**
 * Cuts the flat vector into blocks. A parameter as large as a block has its own, so that its gradient need not be
 * copied; small parameters share a block, so that there are few operations.
 *
 * @returns for each block, its place in the flat vector, and the first and the number of its parameters among the
 * trained ones, 0 in a block of frozen parameters
 */
function optimizerBlocks({ parameters, frozen }: Parameters) {
  const blocks: Readonly<Record<"start" | "length" | "first" | "count", number>>[] = [];
  let [start, first] = [0, 0];
  for (const spec of parameters) {
    const [size, count] = [sizeOf(spec), frozen?.has(spec.name) === true ? 0 : 1];
    const last = blocks.at(-1);
    const isAlike = last !== undefined && (last.count === 0) === (count === 0);
    if (isAlike && size < BLOCK_LENGTH && last.length + size <= BLOCK_LENGTH) {
      blocks[blocks.length - 1] = { ...last, length: last.length + size, count: last.count + count };
    } else {
      blocks.push({ start, length: size, first, count });
    }
    start += size;
    first += count;
  }
  return blocks;
}

function joined(parts: readonly tf.Tensor[]): tf.Tensor {
  return parts.length === 1 ? parts[0]! : tf.concat([...parts]);
}
