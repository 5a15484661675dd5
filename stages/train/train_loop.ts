import { emaDecayAt } from "../../diffusion/ema.ts";
import { adamBiasCorrections } from "../../diffusion/optimizer.ts";
import type { TrainParams } from "../../schemas/kinds/train.ts";
import type { CompiledFunction, HostTensors } from "../../tensor/mod.ts";
import { learningRateAt } from "./learning_rate.ts";
import { isLogged, logLine } from "./train_log.ts";
import { emptyVectors, type TrainState } from "./train_state.ts";

export type StepParams = Pick<TrainParams, "learningRate" | "warmupSteps" | "gradClip" | "ema">;

/** State after a step with that step's figures. */
export interface StepResult {
  readonly state: TrainState;
  readonly loss: number;
  readonly gradNorm: number;
}

/**
 * One step after another from a state; ends when it is not asked for more. A state is good until the next one is asked
 * for: two sets of vectors take turns, so that training allocates nothing of the size of the network.
 *
 * A step whose loss or gradient is not finite is returned like any other, with its state spoilt.
 */
export async function* trainSteps(
  start: TrainState,
  { compiled, batch, params }: {
    /** `makeTrainStep` on a device. */
    readonly compiled: CompiledFunction;
    /** Feeds of a step that depend on the images and on randomness. */
    readonly batch: (step: number) => HostTensors;
    readonly params: StepParams;
  },
): AsyncGenerator<StepResult, never, void> {
  const batchSize = compiled.outputs["lossPerImage"]!.shape[0]!;
  const scalars = { loss: new Float32Array(1), gradNorm: new Float32Array(1) };
  const lossPerImage = new Float32Array(batchSize);
  const log = [...start.log];
  let current = start.vectors;
  let spare = emptyVectors(current);

  for (let step = start.step + 1;; step++) {
    const learningRate = learningRateAt(step, params);
    const { biasCorrection1, biasCorrection2 } = adamBiasCorrections(step);
    const feeds = {
      ...current,
      ...batch(step),
      learningRate: Float32Array.of(learningRate),
      biasCorrection1: Float32Array.of(biasCorrection1),
      biasCorrection2: Float32Array.of(biasCorrection2),
      emaDecay: Float32Array.of(emaDecayAt(step, params.ema)),
      clipNorm: Float32Array.of(params.gradClip),
    };
    await compiled.run(feeds, { ...spare, ...scalars, lossPerImage });
    [current, spare] = [spare, current];
    const [loss, gradNorm] = [scalars.loss[0]!, scalars.gradNorm[0]!];
    const finite = Number.isFinite(loss) && Number.isFinite(gradNorm);
    if (finite && isLogged(step)) log.push(logLine({ step, loss, gradNorm, learningRate }));
    yield { state: { step, vectors: current, log }, loss, gradNorm };
  }
}
