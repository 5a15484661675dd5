import { emaDecayAt } from "../../diffusion/ema.ts";
import { adamBiasCorrections } from "../../diffusion/optimizer.ts";
import type { LossAwareTimesteps } from "../../diffusion/loss_aware_timesteps.ts";
import type { TrainParams } from "./params.ts";
import type { HostTensors } from "../../tensor/mod.ts";
import type { Bucket } from "../shared/timestep_buckets.ts";
import { learningRateAt } from "./learning_rate.ts";
import { logLine, type TrainLogEntry } from "../../artifacts/log.ts";
import { isLogged, lossByBucket } from "./train_log.ts";
import type { TrainStepper } from "./stepper.ts";
import type { TrainState } from "./train_state.ts";

export type StepParams = Pick<
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
