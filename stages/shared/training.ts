import { logLine, splitLog, type TrainLog, type TrainLogEntry } from "../../artifacts/log.ts";
import type { FileContent, SavedState } from "../../engine/contract/stage.ts";
import { adamSettings, averagesOf, type EmaOptions, emaSettings } from "../../science/diffusion/recipe.ts";
import { gradientStepSignature, makeGradientStep, type TrainingLoss } from "../../science/diffusion/gradient_step.ts";
import type { LossHistory } from "../../science/diffusion/loss_aware_timesteps.ts";
import {
  countOf,
  initialParameters,
  type Network,
  packParameters,
  trainedParameters,
} from "../../science/diffusion/network.ts";
import {
  makeTrainStep,
  makeUpdateStep,
  trainStepSignature,
  type UpdateOptions,
  updateStepSignature,
} from "../../science/diffusion/train_step.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../../science/formats/vectors.ts";
import { type Device, type HostTensors, randomStream } from "../../science/tensor/mod.ts";
import { scalarFeeds } from "./feeds.ts";
import type { TrainingParams } from "./training_params.ts";

type StepParams = Omit<TrainingParams, "steps" | "batchSize" | "microBatches">;

/** The results of one step. */
export type StepResult = Awaited<ReturnType<ReturnType<typeof trainSteps>>>;

/**
 * Makes a function that trains one step after another, continuing from a state with this log. The stepper keeps the
 * vectors on the device and copies them only when a state is asked for.
 *
 * A step whose loss or gradient is not finite is returned like any other, with a state that is no longer usable.
 */
export function trainSteps(
  start: Pick<TrainState, "log">,
  { stepper, batch, params, terms: names, updates = 0, observe, more }: {
    readonly stepper: TrainStepper;
    /** Names of the terms of the loss, which are logged. */
    readonly terms?: TrainingLoss["terms"];
    /** The inputs of a step that depend on the images and on randomness. */
    readonly batch: { at(step: number): HostTensors; prepare(step: number): void };
    readonly params: StepParams;
    /** Updates that the averages have had before the training. */
    readonly updates?: number | undefined;
    /** Gets a step's batch and losses, and returns further numbers to log. */
    readonly observe?: (images: HostTensors, losses: Pick<Losses, "lossPerImage">) => Partial<TrainLogEntry>;
    /** Returns what else belongs to the state after a step. */
    readonly more?: () => Partial<TrainState>;
  },
) {
  const log = [...start.log];
  return async (step: number) => {
    const learningRate = learningRateAt(step, params);
    const images = batch.at(step);
    const adam = adamSettings(step, learningRate, params.adam);
    const given = scalarFeeds({ ...adam, ...emaSettings(updates + step, params.ema), clipNorm: params.gradClip });
    const computed = stepper.step(images, given);
    batch.prepare(step + 1);
    const { loss, gradNorm, terms: means, ...losses } = await computed;
    const terms = names && Object.fromEntries(names.map((name, i) => [name, means![i]!]));
    const further = observe?.(images, losses);
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    if (finite && isLogged(step)) log.push(logLine({ step, loss, gradNorm, learningRate, terms, ...further }));
    /** Returns the state after this step. Call it before the next step starts. */
    const state = async (): Promise<TrainState> => ({
      step,
      vectors: await stepper.vectors(),
      log: [...log],
      ...more?.(),
    });
    return { step, loss, gradNorm, learningRate, terms, state };
  };
}

/**
 * Returns the learning rate of a step. Linear warmup as in hojonathanho/diffusion, rate min(step / warmupSteps, 1);
 * then constant, or falling linearly or along half a cosine (Loshchilov & Hutter 2017, eq. 5) from warmupSteps to
 * `until`, and constant at the floor from there. With floor 0 these are the schedules of diffusers' `get_scheduler`,
 * whose `num_training_steps` is `until`; but its count starts at 0, so that its first update has rate 0 or, without
 * warmup, the rate from which ours has made the first step down.
 *
 * @param step number of the update, from 1
 */
export function learningRateAt(
  step: number,
  { learningRate, warmupSteps, learningRateDecay: decay }: Omit<StepParams, "adam" | "gradClip" | "ema">,
): number {
  if (step < warmupSteps) return learningRate * step / warmupSteps;
  if (decay === undefined) return learningRate;
  const { shape, until, floor } = decay;
  const way = step >= until ? 1 : (step - warmupSteps) / (until - warmupSteps);
  const left = shape === "linear" ? 1 - way : (1 + Math.cos(Math.PI * way)) / 2;
  return learningRate * (floor + (1 - floor) * left);
}

/**
 * True if a step is logged: all up to 1,000, every 10th up to 10,000, every 100th after that. It depends on the step
 * alone, so that the log of a longer run begins with the log of a shorter one.
 */
function isLogged(step: number): boolean {
  return step <= 1_000 || step % (step <= 10_000 ? 10 : 100) === 0;
}

/** A training on a device, which keeps the vectors. */
type TrainStepper = Awaited<ReturnType<typeof makeStepper>>;

/** The losses of a step besides their mean. They are overwritten by the next step. */
interface Losses {
  /** The losses of the images, [B], without their importance. */
  readonly lossPerImage: Float32Array<ArrayBuffer>;
  /** The means of the terms, [terms], if the loss has terms. */
  readonly terms?: Float32Array<ArrayBuffer>;
}

interface StepperStart {
  readonly loss: TrainingLoss;
  readonly params: Pick<TrainingParams, "batchSize" | "microBatches"> & UpdateOptions;
  /** The vectors to start from. The caller must not use them afterwards. */
  readonly vectors: TrainVectors;
}

/**
 * Makes a stepper: one call for a whole batch and its update or, with `microBatches`, one call for each part of the
 * batch and one for the update.
 *
 * @returns `step`, which makes one update from inputs that depend on the images and those of the optimizer; and
 * `vectors`, which returns copies of the current vectors
 */
export function makeStepper(device: Device, start: StepperStart) {
  return start.params.microBatches > 1 ? accumulateGradients(device, start) : atOnce(device, start);
}

async function atOnce(device: Device, { loss, params, vectors }: StepperStart) {
  const { batchSize } = params;
  const signature = trainStepSignature(loss, batchSize, params);
  const compiled = await device.compile(makeTrainStep(loss, params), signature, { label: "train step" });
  const bound = await compiled.bind({ ...vectors });
  const results = { loss: new Float32Array(1), gradNorm: new Float32Array(1), ...roomForLosses(loss, batchSize) };
  return {
    async step(batch: HostTensors, scalars: HostTensors) {
      await bound.run({ ...batch, ...scalars }, results);
      return { ...results, loss: results.loss[0]!, gradNorm: results.gradNorm[0]! };
    },
    vectors: async () => await bound.read() as TrainVectors,
  };
}

function roomForLosses({ terms }: TrainingLoss, batchSize: number): Losses {
  const room = { lossPerImage: new Float32Array(batchSize) };
  return terms === undefined ? room : { ...room, terms: new Float32Array(terms.length) };
}

/**
 * Accumulates gradients: the device holds the activations of one part at a time. Parameters and gradients pass through
 * the host, at a small share of the cost of a part.
 */
async function accumulateGradients(device: Device, { loss, params, vectors }: StepperStart) {
  const { batchSize, microBatches } = params;
  const size = batchSize / microBatches;
  const signature = gradientStepSignature(loss, size);
  const gradients = await device.compile(makeGradientStep(loss), signature, { label: "gradients" });
  const updated = updateStepSignature(loss, params);
  const update = await device.compile(makeUpdateStep(loss, params), updated, { label: "update" });
  // The vectors that gradients are computed from.
  const read = Object.keys(signature).filter((name) => name in vectors) as (keyof TrainVectors)[];
  let weights: HostTensors = Object.fromEntries(read.map((name) => [name, vectors[name]!.slice()]));
  const bound = await update.bind({ ...vectors });
  const part = {
    grads: new Float32Array(countOf(trainedParameters(loss))),
    loss: new Float32Array(1),
    ...roomForLosses(loss, size),
  };
  const sum = new Float32Array(part.grads.length);
  const losses = roomForLosses(loss, batchSize);
  const gradNorm = new Float32Array(1);
  return {
    async step(batch: HostTensors, scalars: HostTensors) {
      sum.fill(0);
      losses.terms?.fill(0);
      let mean = 0;
      for (let index = 0; index < microBatches; index++) {
        await gradients.run({ ...weights, ...partOf(batch, { index, size, batchSize }) }, part);
        for (let i = 0; i < sum.length; i++) sum[i]! += part.grads[i]! / microBatches;
        losses.lossPerImage.set(part.lossPerImage, index * size);
        part.terms?.forEach((term, i) => losses.terms![i]! += term / microBatches);
        mean += part.loss[0]! / microBatches;
      }
      await bound.run({ grads: sum, ...scalars }, { gradNorm });
      weights = await bound.read(read);
      return { ...losses, loss: mean, gradNorm: gradNorm[0]! };
    },
    vectors: async () => await bound.read() as TrainVectors,
  };
}

/** Returns the inputs of one part of a batch; each part has a different dropout key. */
function partOf(
  { dropoutKey, ...batch }: HostTensors,
  { index, size, batchSize }: { readonly index: number; readonly size: number; readonly batchSize: number },
): HostTensors {
  const parts = Object.entries(batch).map(([name, values]) => {
    const perImage = values.length / batchSize;
    return [name, values.slice(index * size * perImage, (index + 1) * size * perImage)];
  });
  if (dropoutKey === undefined) return Object.fromEntries(parts);
  const [first, second] = dropoutKey as Int32Array;
  return { ...Object.fromEntries(parts), dropoutKey: Int32Array.of(first!, (second! + index) % 2 ** 31) };
}

/** The vectors that a step reads and writes, flat [P]: weights, Adam's moments, averaged weights by `averagesOf`. */
export type TrainVectors = Record<"params" | "m" | "v" | "ema" | `ema-${string}`, Float32Array<ArrayBuffer>>;

type Averages = Pick<EmaOptions, "others">;

type Parameters = Pick<Network, "parameters" | "count">;

/** Everything that training needs to continue, besides its inputs. */
export interface TrainState {
  /** Number of updates done. */
  readonly step: number;
  readonly vectors: TrainVectors;
  readonly log: TrainLog;
  /** Present if timesteps are sampled by their losses. */
  readonly timestepLosses?: LossHistory;
}

/** Returns the record of a training's averages. Others are in the order of their names, as `averagesOf` gives them. */
export function recordOfAverages({ others, ...ema }: EmaOptions) {
  const [, ...further] = averagesOf({ others });
  return further.length === 0
    ? ema
    : { ...ema, others: Object.fromEntries(further.map(({ name, decay }) => [name, decay])) };
}

/** Returns the weights that an artifact holds, by name: raw, and each average. */
export function weightsByName(vectors: TrainVectors, averages: Averages) {
  const [, ...further] = averagesOf(averages);
  const others = further.map(({ name, vector }) => [name, vectors[vector]!] as const);
  return { raw: vectors.params, ema: vectors.ema, ...Object.fromEntries(others) };
}

const STATE_FILE = "state.safetensors";
const LOG_FILE = "log.jsonl";

/** Returns the weights before the first step, flat [P]. */
export function initialWeights(network: Parameters, seed: number): Float32Array<ArrayBuffer> {
  const stream = randomStream({ seed, stream: "train/init" });
  const named = initialParameters(
    network,
    // Converts uniforms in [0, 1) to those in (0, 1] that the initialisation needs.
    (i, kind, count) => kind === "normal" ? stream.normal(i, count) : stream.uniform(i, count).map((u) => 1 - u),
  );
  return packParameters(named, network);
}

/**
 * Returns the state before the first step. The averaged weights start as the weights.
 * @param start vectors that start otherwise
 */
export function initialState(
  network: Parameters,
  seed: number,
  ema?: Averages,
  start: Partial<TrainVectors> = {},
): TrainState {
  const params = start.params ?? initialWeights(network, seed);
  const zeros = () => new Float32Array(params.length);
  const averages = Object.fromEntries(averagesOf(ema).map(({ vector }) => [vector, start[vector] ?? params.slice()]));
  return { step: 0, vectors: { params, m: zeros(), v: zeros(), ...averages } as TrainVectors, log: [] };
}

export function encodeState({ vectors, log, timestepLosses }: TrainState): Record<string, FileContent> {
  const { losses, counts } = timestepLosses ?? {};
  return {
    [STATE_FILE]: encodeVectors({ ...vectors, timestepLosses: losses, timestepCounts: counts }),
    [LOG_FILE]: new TextEncoder().encode(log.join("")),
  };
}

/** @throws FormatError when the files are not those of `encodeState` for a network of P parameters. */
export async function decodeState(saved: SavedState, parameters: number, ema: Averages): Promise<TrainState> {
  const { vectors } = decodeVectors(await saved.read(STATE_FILE));
  const vector = (name: keyof TrainVectors) =>
    vectorOf(vectors, name, { file: STATE_FILE, type: Float32Array, length: parameters });
  const { timestepLosses: losses, timestepCounts: counts } = vectors;
  const names = ["params", "m", "v", ...averagesOf(ema).map(({ vector }) => vector)] as const;
  return {
    step: saved.step,
    vectors: Object.fromEntries(names.map((name) => [name, vector(name)])) as TrainVectors,
    log: splitLog(new TextDecoder().decode(await saved.read(LOG_FILE))),
    ...(losses instanceof Float32Array && counts instanceof Int32Array ? { timestepLosses: { losses, counts } } : {}),
  };
}
