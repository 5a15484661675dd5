import * as tf from "@tensorflow/tfjs";
import type { NamedTensors, PureFunction, Signature, TensorSpec } from "../tensor/device.ts";
import { emaStep } from "./ema.ts";
import { qSample } from "./gaussian.ts";
import { trainingLossPerImage } from "./loss.ts";
import { type LossOptions, lossTableNames } from "./loss_tables.ts";
import { adamStep, clipFactor, globalNorm } from "./optimizer.ts";
import type { UnetConfig } from "./unet/config.ts";
import { countParameters, sizeOf, unetParameterSpecs } from "./unet/parameters.ts";
import { unet } from "./unet/unet.ts";
import { unpackTensors } from "./unet/unpack_tensors.ts";

const TRAIN_INPUTS = [
  "params",
  "m",
  "v",
  "ema",
  "x0",
  "t",
  "noise",
  "sqrtAlphasCumprod",
  "sqrtOneMinusAlphasCumprod",
  "learningRate",
  "biasCorrection1",
  "biasCorrection2",
  "emaDecay",
  "clipNorm",
] as const;

/** Input of a step with dropout only: the key of `keepMask`. */
const DROPOUT_KEY = "dropoutKey";

type TrainInputs = Record<typeof TRAIN_INPUTS[number], tf.Tensor>;

/** Input of a step whose timesteps are not drawn uniformly: how much each image counts, [B]. */
const IMPORTANCE = "importance";

export interface TrainStepOptions extends LossOptions {
  /** Probability that an activation is dropped (see `unet`), in [0, 1). Default 0: the network without dropout. */
  readonly dropout?: number;
  /** How timesteps are drawn: see `LossAwareTimesteps`. Default `uniform`. */
  readonly timestepSampler?: "uniform" | "loss-aware";
}

/**
 * One training step (Ho et al. 2020, algorithm 1, with Adam, global-norm clipping and the moving average) as one
 * function.
 *
 * Inputs and their shapes: `trainStepSignature`. x0 is in [-1, 1]; the tables (`trainTables`) are gathered at each
 * image's t; the scalars come from `adamBiasCorrections` and `emaDecayAt`; `dropoutKey` is another pair of integers at
 * each step; `importance` multiplies each image's loss. Outputs: the next `params`, `m`, `v`, `ema` [P]; `loss` [], the
 * batch mean before the update; `gradNorm` [], before clipping; `lossPerImage` [B], without the importance.
 *
 * @throws RangeError when dropout is not in [0, 1), or from the function when an input is missing
 */
export function makeTrainStep(config: UnetConfig, options: TrainStepOptions = {}): PureFunction {
  const { dropout: rate = 0 } = options;
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`Train step: dropout must be in [0, 1): got ${rate}`);
  const specs = unetParameterSpecs(config);
  return (inputs) => {
    const input = checkedInputs(inputs, options);
    const dropout = rate > 0 ? { dropout: { key: inputs[DROPOUT_KEY]!, rate } } : {};
    const xt = qSample(input.x0, input.noise, input);
    const lossOf = (...tensors: tf.Tensor[]) => {
      const params = Object.fromEntries(specs.map((spec, i) => [spec.name, tensors[i]!]));
      return trainingLossPerImage(unet(params, xt, input.t, config, dropout), { ...inputs, ...input, xt }, options);
    };
    // Gradients are taken per parameter, not through the flat vector: the gradient of each slice would be a vector of
    // all P numbers. The derivative of the batch mean by each image's loss is its importance / B.
    const named = unpackTensors(input.params, config);
    const batch = input.x0.shape[0]!;
    const importance = drawsByLoss(options) ? inputs[IMPORTANCE]! : undefined;
    const { value: lossPerImage, grads } = tf.valueAndGrads(lossOf)(
      specs.map((spec) => named[spec.name]!),
      importance === undefined ? tf.fill([batch], 1 / batch) : tf.mul(importance, 1 / batch),
    );
    const flat = grads.map((grad) => tf.reshape(grad, [-1]));
    const layout = optimizerBlocks(specs.map(sizeOf));
    const blockGrads = layout.map(({ first, count }) => joined(flat.slice(first, first + count)));
    const gradNorm = globalNorm(blockGrads);
    const clip = clipFactor(gradNorm, input.clipNorm);
    const blocks = layout.map(({ start, length }, i) => {
      const part = (vector: tf.Tensor) => tf.slice(vector, start, length);
      const moments = { params: part(input.params), m: part(input.m), v: part(input.v) };
      const next = adamStep(moments, blockGrads[i]!, clip, input);
      return { ...next, ema: emaStep(part(input.ema), next.params, input.emaDecay) };
    });
    const whole = (name: "params" | "m" | "v" | "ema") => joined(blocks.map((block) => block[name]));
    const vectors = { params: whole("params"), m: whole("m"), v: whole("v"), ema: whole("ema") };
    const counted = importance === undefined ? lossPerImage : tf.mul(importance, lossPerImage);
    return { ...vectors, loss: tf.mean(counted), gradNorm, lossPerImage };
  };
}

/** Inputs of `makeTrainStep` with the same configuration and options for batches of `batch` images. */
export function trainStepSignature(
  config: UnetConfig,
  batch: number,
  options: TrainStepOptions = {},
): Signature {
  const flat = float32([countParameters(config)]);
  const images = float32([batch, config.imageSize, config.imageSize, config.inChannels]);
  const signature: Record<typeof TRAIN_INPUTS[number], TensorSpec> = {
    params: flat,
    m: flat,
    v: flat,
    ema: flat,
    x0: images,
    t: { shape: [batch], dtype: "int32" },
    noise: images,
    sqrtAlphasCumprod: float32([batch]),
    sqrtOneMinusAlphasCumprod: float32([batch]),
    learningRate: float32([]),
    biasCorrection1: float32([]),
    biasCorrection2: float32([]),
    emaDecay: float32([]),
    clipNorm: float32([]),
  };
  const tables = Object.fromEntries(lossTableNames(options).map((name) => [name, float32([batch])]));
  return {
    ...signature,
    ...tables,
    ...((options.dropout ?? 0) > 0 ? { [DROPOUT_KEY]: { shape: [2], dtype: "int32" } } : {}),
    ...(drawsByLoss(options) ? { [IMPORTANCE]: float32([batch]) } : {}),
  };
}

/** Neighbouring parameters that are updated together. */
interface OptimizerBlock {
  /** First element in the flat vector. */
  readonly start: number;
  readonly length: number;
  /** First parameter. */
  readonly first: number;
  readonly count: number;
}

/** Half a megabyte of float32: the dozen passes of an update find the block still in the processor's cache. */
const BLOCK_LENGTH = 2 ** 17;

/**
 * Cut the flat vector into blocks: parameters as large as a block by themselves, so that their gradients need not be
 * copied to be joined with others, and small ones together, so that there are few operations.
 */
function optimizerBlocks(sizes: readonly number[]): OptimizerBlock[] {
  const blocks: OptimizerBlock[] = [];
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

function float32(shape: number[]): TensorSpec {
  return { shape, dtype: "float32" };
}

function drawsByLoss({ timestepSampler }: TrainStepOptions): boolean {
  return timestepSampler === "loss-aware";
}

function checkedInputs(inputs: NamedTensors, options: TrainStepOptions): TrainInputs {
  const wanted = [
    ...TRAIN_INPUTS,
    ...lossTableNames(options),
    ...((options.dropout ?? 0) > 0 ? [DROPOUT_KEY] : []),
    ...(drawsByLoss(options) ? [IMPORTANCE] : []),
  ];
  const missing = wanted.filter((name) => inputs[name] === undefined);
  if (missing.length > 0) throw new RangeError(`Train step: inputs missing: ${missing.join(", ")}`);
  return inputs as TrainInputs;
}
