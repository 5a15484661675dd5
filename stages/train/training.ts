import { logLine, splitLog, type TrainLog } from "../../artifacts/log.ts";
import type { SavedState } from "../../contract/stage.ts";
import { adamSettings, averagesOf, type EmaOptions, emaSettings } from "../../diffusion/recipe.ts";
import { type GradientOptions, gradientStepSignature, makeGradientStep } from "../../diffusion/gradient_step.ts";
import type { LossAwareTimesteps, LossHistory } from "../../diffusion/loss_aware_timesteps.ts";
import {
  countOf,
  initialParameters,
  type Network,
  packParameters,
  trainedParameters,
} from "../../diffusion/network.ts";
import {
  makeTrainStep,
  makeUpdateStep,
  trainStepSignature,
  type UpdateOptions,
  updateStepSignature,
} from "../../diffusion/train_step.ts";
import { decodeVectors, encodeVectors, vectorOf } from "../../formats/vectors.ts";
import { type Device, type HostTensors, randomStream } from "../../tensor/mod.ts";
import { scalarFeeds } from "../shared/feeds.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";
import type { TrainParams } from "./params.ts";

type StepParams = Pick<TrainParams, "learningRate" | "warmupSteps" | "learningRateDecay" | "adam" | "gradClip" | "ema">;

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
  { stepper, batch, params, timesteps, buckets = [], updates = 0 }: {
    readonly stepper: TrainStepper;
    /** The inputs of a step that depend on the images and on randomness. */
    readonly batch: { at(step: number): HostTensors; prepare(step: number): void };
    readonly params: StepParams;
    /** The loss-aware sampler of timesteps, if used. */
    readonly timesteps?: LossAwareTimesteps | undefined;
    /** Ranges of timesteps whose mean losses are logged. */
    readonly buckets?: readonly Bucket[];
    /** Updates that the averages have had before the training. */
    readonly updates?: number | undefined;
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
    const { loss, gradNorm, lossPerImage } = await computed;
    const seen = { t: images["t"]!, losses: lossPerImage };
    timesteps?.observe(seen.t as Int32Array, seen.losses);
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    const byTimestep = buckets.length === 0 ? {} : { lossByTimestep: lossByBucket(seen, buckets) };
    if (finite && isLogged(step)) log.push(logLine({ step, loss, gradNorm, learningRate, ...byTimestep }));
    /** Returns the state after this step. Call it before the next step starts. */
    const state = async (): Promise<TrainState> => ({
      step,
      vectors: await stepper.vectors(),
      log: [...log],
      ...(timesteps === undefined ? {} : { timestepLosses: timesteps.history() }),
    });
    return { step, loss, gradNorm, learningRate, state };
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

/**
 * Returns the mean loss of the images of one batch in each bucket of timesteps; a time between two indices belongs to
 * the upper one.
 *
 * @param t [B] @param losses [B]
 */
export function lossByBucket(
  { t, losses }: { readonly t: Int32Array | Float32Array; readonly losses: Float32Array },
  buckets: readonly Bucket[],
): (number | null)[] {
  return buckets.map(({ from, to }) => {
    const own = losses.filter((_, i) => Math.ceil(t[i]!) >= from && Math.ceil(t[i]!) < to);
    return own.length === 0 ? null : own.reduce((sum, loss) => sum + loss, 0) / own.length;
  });
}

/** A training on a device, which keeps the vectors. */
type TrainStepper = Awaited<ReturnType<typeof makeStepper>>;

interface StepperStart {
  readonly network: Network;
  readonly params: Pick<TrainParams, "batchSize" | "microBatches"> & GradientOptions & UpdateOptions;
  /** The vectors to start from. The caller must not use them afterwards. */
  readonly vectors: TrainVectors;
}

/**
 * Makes a stepper: one call for a whole batch and its update or, with `microBatches`, one call for each part of the
 * batch and one for the update.
 *
 * @returns `step`, which makes one update from inputs that depend on the images and those of the optimizer: its results
 * are overwritten by the next step, and the losses [B] are without the importance; and `vectors`, which returns copies
 * of the current vectors
 */
export function makeStepper(device: Device, start: StepperStart) {
  return start.params.microBatches > 1 ? accumulateGradients(device, start) : atOnce(device, start);
}

async function atOnce(device: Device, { network, params, vectors }: StepperStart) {
  const { batchSize } = params;
  const signature = trainStepSignature(network, batchSize, params);
  const compiled = await device.compile(makeTrainStep(network, params), signature, { label: "train step" });
  const bound = await compiled.bind({ ...vectors });
  const results = {
    loss: new Float32Array(1),
    gradNorm: new Float32Array(1),
    lossPerImage: new Float32Array(batchSize),
  };
  return {
    async step(batch: HostTensors, scalars: HostTensors) {
      await bound.run({ ...batch, ...scalars }, results);
      return { loss: results.loss[0]!, gradNorm: results.gradNorm[0]!, lossPerImage: results.lossPerImage };
    },
    vectors: async () => await bound.read() as TrainVectors,
  };
}

/**
 * Accumulates gradients: the device holds the activations of one part at a time. Parameters and gradients pass through
 * the host, at a small share of the cost of a part.
 */
async function accumulateGradients(device: Device, { network, params, vectors }: StepperStart) {
  const { batchSize, microBatches } = params;
  const size = batchSize / microBatches;
  const signature = gradientStepSignature(network, size, params);
  const gradients = await device.compile(makeGradientStep(network, params), signature, { label: "gradients" });
  const updated = updateStepSignature(network, params);
  const update = await device.compile(makeUpdateStep(network, params), updated, { label: "update" });
  // The vectors that gradients are computed from.
  const read = Object.keys(signature).filter((name) => name in vectors) as (keyof TrainVectors)[];
  let weights: HostTensors = Object.fromEntries(read.map((name) => [name, vectors[name]!.slice()]));
  const bound = await update.bind({ ...vectors });
  const part = {
    grads: new Float32Array(countOf(trainedParameters(network))),
    loss: new Float32Array(1),
    lossPerImage: new Float32Array(size),
  };
  const sum = new Float32Array(part.grads.length);
  const lossPerImage = new Float32Array(batchSize);
  const gradNorm = new Float32Array(1);
  return {
    async step(batch: HostTensors, scalars: HostTensors) {
      sum.fill(0);
      let loss = 0;
      for (let index = 0; index < microBatches; index++) {
        await gradients.run({ ...weights, ...partOf(batch, { index, size, batchSize }) }, part);
        for (let i = 0; i < sum.length; i++) sum[i]! += part.grads[i]! / microBatches;
        lossPerImage.set(part.lossPerImage, index * size);
        loss += part.loss[0]! / microBatches;
      }
      await bound.run({ grads: sum, ...scalars }, { gradNorm });
      weights = await bound.read(read);
      return { loss, gradNorm: gradNorm[0]!, lossPerImage };
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

/** Everything that training needs to continue, besides its inputs. */
export interface TrainState {
  /** Number of updates done. */
  readonly step: number;
  readonly vectors: TrainVectors;
  readonly log: TrainLog;
  /** Present if timesteps are sampled by their losses. */
  readonly timestepLosses?: LossHistory;
}

const STATE_FILE = "state.safetensors";
const LOG_FILE = "log.jsonl";

/** Returns the weights before the first step, flat [P]. */
export function initialWeights(network: Network, seed: number): Float32Array<ArrayBuffer> {
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
  network: Network,
  seed: number,
  ema?: Averages,
  start: Partial<TrainVectors> = {},
): TrainState {
  const params = start.params ?? initialWeights(network, seed);
  const zeros = () => new Float32Array(params.length);
  const averages = Object.fromEntries(averagesOf(ema).map(({ vector }) => [vector, start[vector] ?? params.slice()]));
  return { step: 0, vectors: { params, m: zeros(), v: zeros(), ...averages } as TrainVectors, log: [] };
}

export function encodeState({ vectors, log, timestepLosses }: TrainState): Record<string, Uint8Array> {
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
