import { emaDecayAt } from "../../diffusion/ema.ts";
import { adamBiasCorrections } from "../../diffusion/optimizer.ts";
import type { LossAwareTimesteps } from "../../diffusion/loss_aware_timesteps.ts";
import type { TrainParams } from "../../schemas/kinds/train.ts";
import type { CompiledFunction, HostTensors } from "../../tensor/mod.ts";
import { learningRateAt } from "./learning_rate.ts";
import { isLogged, logLine } from "./train_log.ts";
import type { TrainState, TrainVectors } from "./train_state.ts";

export type StepParams = Pick<TrainParams, "learningRate" | "warmupSteps" | "gradClip" | "ema">;

/** What one step gave. */
export interface StepResult {
  /** Updates done, this one included. */
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  /** The state after this step; ask before the next one is asked for. */
  state(): Promise<TrainState>;
}

/**
 * One step after another from a state, whose vectors are given away; ends when it is not asked for more. The device
 * keeps the vectors and copies them out only when a state is asked for.
 *
 * A step whose loss or gradient is not finite is returned like any other, with its state spoilt.
 */
export async function* trainSteps(
  start: TrainState,
  { compiled, batch, params, timesteps }: {
    /** `makeTrainStep` on a device. */
    readonly compiled: CompiledFunction;
    /** Feeds of a step that depend on the images and on randomness. */
    readonly batch: (step: number) => HostTensors;
    readonly params: StepParams;
    /** What draws the timesteps, where it learns from the losses. */
    readonly timesteps?: LossAwareTimesteps | undefined;
  },
): AsyncGenerator<StepResult, never, void> {
  const batchSize = compiled.outputs["lossPerImage"]!.shape[0]!;
  const results = {
    loss: new Float32Array(1),
    gradNorm: new Float32Array(1),
    lossPerImage: new Float32Array(batchSize),
  };
  const log = [...start.log];
  const bound = await compiled.bind({ ...start.vectors });

  for (let step = start.step + 1;; step++) {
    const learningRate = learningRateAt(step, params);
    const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(step);
    const images = batch(step);
    const feeds = {
      ...images,
      learningRate: Float32Array.of(learningRate),
      biasCorrection1: Float32Array.of(biasCorrection1),
      biasCorrection2: Float32Array.of(biasCorrection2),
      emaDecay: Float32Array.of(emaDecayAt(step, params.ema)),
      clipNorm: Float32Array.of(params.gradClip),
    };
    await bound.run(feeds, results);
    const [loss, gradNorm] = [results.loss[0]!, results.gradNorm[0]!];
    timesteps?.observe(images["t"] as Int32Array, results.lossPerImage);
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    if (finite && isLogged(step)) log.push(logLine({ step, loss, gradNorm, learningRate }));
    const state = async () => ({
      step,
      vectors: await bound.read() as TrainVectors,
      log: [...log],
      ...(timesteps === undefined ? {} : { timestepLosses: timesteps.history }),
    });
    yield { step, loss, gradNorm, state };
  }
}
