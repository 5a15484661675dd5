import { logLine, type TrainLogEntry } from "../../artifacts/log.ts";
import { emaDecayAt } from "../../diffusion/ema.ts";
import type { LossAwareTimesteps } from "../../diffusion/loss_aware_timesteps.ts";
import { adamBiasCorrections } from "../../diffusion/optimizer.ts";
import type { HostTensors } from "../../tensor/mod.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";
import type { TrainParams } from "./params.ts";
import type { TrainStepper } from "./stepper.ts";
import type { TrainState } from "./train_state.ts";

type StepParams = Pick<
  TrainParams,
  "learningRate" | "warmupSteps" | "learningRateDecay" | "gradClip" | "ema"
>;

/** What one step gave. */
export interface StepResult extends Pick<TrainLogEntry, "step" | "loss" | "gradNorm"> {
  /** The state after this step; ask before the next one is asked for. */
  state(): Promise<TrainState>;
}

/**
 * One step after another from a state; ends when it is not asked for more. The stepper keeps the vectors and copies them
 * out only when a state is asked for.
 *
 * A step whose loss or gradient is not finite is returned like any other, with its state spoilt.
 */
export async function* trainSteps(
  start: Pick<TrainState, "step" | "log">,
  { stepper, batch, params, timesteps, buckets = [] }: {
    readonly stepper: TrainStepper;
    /** Feeds of a step that depend on the images and on randomness. */
    readonly batch: (step: number) => HostTensors;
    readonly params: StepParams;
    /** What draws the timesteps, where it learns from the losses. */
    readonly timesteps?: LossAwareTimesteps | undefined;
    /** Ranges of timesteps that the loss is logged by. */
    readonly buckets?: readonly Bucket[];
  },
): AsyncGenerator<StepResult, never, void> {
  const log = [...start.log];
  for (let step = start.step + 1;; step++) {
    const learningRate = learningRateAt(step, params);
    const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(step);
    const images = batch(step);
    const { loss, gradNorm, lossPerImage } = await stepper.step(images, {
      learningRate: Float32Array.of(learningRate),
      biasCorrection1: Float32Array.of(biasCorrection1),
      biasCorrection2: Float32Array.of(biasCorrection2),
      emaDecay: Float32Array.of(emaDecayAt(step, params.ema)),
      clipNorm: Float32Array.of(params.gradClip),
    });
    const seen = { t: images["t"] as Int32Array, losses: lossPerImage };
    timesteps?.observe(seen.t, seen.losses);
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    const byTimestep = buckets.length === 0 ? {} : { lossByTimestep: lossByBucket(seen, buckets) };
    if (finite && isLogged(step)) log.push(logLine({ step, loss, gradNorm, learningRate, ...byTimestep }));
    const state = async () => ({
      step,
      vectors: await stepper.vectors(),
      log: [...log],
      ...(timesteps === undefined ? {} : { timestepLosses: timesteps.history }),
    });
    yield { step, loss, gradNorm, state };
  }
}

/**
 * Linear warmup as in hojonathanho/diffusion, rate min(step / warmupSteps, 1); then constant, or down a line or half a
 * cosine (Loshchilov & Hutter 2017, eq. 5) from warmupSteps to `until`, and constant at the floor from there.
 *
 * @param step number of the update, from 1
 */
export function learningRateAt(
  step: number,
  { learningRate, warmupSteps, learningRateDecay: decay }: Pick<
    TrainParams,
    "learningRate" | "warmupSteps" | "learningRateDecay"
  >,
): number {
  if (step < warmupSteps) return learningRate * step / warmupSteps;
  if (decay === undefined) return learningRate;
  const { shape, until, floor } = decay;
  const way = step >= until ? 1 : (step - warmupSteps) / (until - warmupSteps);
  const left = shape === "linear" ? 1 - way : (1 + Math.cos(Math.PI * way)) / 2;
  return learningRate * (floor + (1 - floor) * left);
}

/**
 * Whether a step is logged: all up to 1,000, every 10th up to 10,000, every 100th after that. It depends on the step
 * alone, so that the log of a longer run begins with the log of a shorter one.
 */
function isLogged(step: number): boolean {
  if (step <= 1_000) return true;
  return step % (step <= 10_000 ? 10 : 100) === 0;
}

/** Mean loss of the images of one batch in each bucket of timesteps. @param t [B] @param losses [B] */
export function lossByBucket(
  { t, losses }: { readonly t: Int32Array; readonly losses: Float32Array },
  buckets: readonly Bucket[],
): (number | null)[] {
  return buckets.map(({ from, to }) => {
    const own = losses.filter((_, i) => t[i]! >= from && t[i]! < to);
    return own.length === 0 ? null : own.reduce((sum, loss) => sum + loss, 0) / own.length;
  });
}
