import type { StageContext, StageEnd } from "../../engine/contract/stage.ts";
import type { TrainingLoss } from "../../science/diffusion/gradient_step.ts";
import type { UpdateOptions } from "../../science/diffusion/train_step.ts";
import type { Device } from "../../science/tensor/mod.ts";
import { withDevice } from "./device.ts";
import { yieldToMessages } from "./macrotask.ts";
import { decodeState, encodeState, makeStepper, type StepResult, type TrainState, trainSteps } from "./training.ts";
import type { TrainingParams } from "./training_params.ts";

type LoopContext = Pick<StageContext, "progress" | "stop" | "report" | "device"> & {
  readonly params: TrainingParams & { readonly saveEverySeconds: number };
};

/** One kind's training: its loss, its batches, and its words for what goes wrong. */
interface Training {
  readonly loss: TrainingLoss;
  /** Default: those of Ho et al. 2020, with one average. */
  readonly updates?: UpdateOptions;
  /** Returns the state before the first step. Called only if nothing was saved. */
  begin(): TrainState;
  /**
   * Returns the batches of the steps after a state, what is logged and saved besides the losses, and for a training
   * with previews `preview`, which shows one after a step if that step has one.
   *
   * @param weights returns the current averaged weights
   */
  open(
    device: Device,
    start: TrainState,
    weights: () => Promise<Float32Array<ArrayBuffer>>,
  ):
    & Omit<Parameters<typeof trainSteps>[1], "stepper" | "params" | "terms">
    & { readonly preview?: (step: number) => Promise<void> };
  /** Returns how the stage ends after an error of a step. Throws errors that are bugs. */
  failed?(error: unknown, step: number): StageEnd;
  /** The user's files that the loss is computed with. Absent for a kind without params for clipping and warmup. */
  readonly files?: readonly string[];
}

/**
 * Trains up to the wanted step, from the newest saved state. The state is saved at intervals, after the last step and
 * when the user asks to stop.
 */
export async function trainFromNewest(
  context: LoopContext,
  { loss, updates, begin, open, failed, files }: Training,
): Promise<TrainState | StageEnd> {
  const { params, progress, stop, report } = context;
  const saved = await progress.latest();
  const start = saved === undefined ? begin() : await decodeState(saved, loss.count, params.ema);
  if (start.step >= params.steps) return start;
  if (stop.aborted) return { status: "interrupted", step: start.step };

  return await withDevice(context, async (device) => {
    const { batchSize, microBatches, steps, checkpointEvery = Infinity, saveEverySeconds } = params;
    const settings = { ...updates, batchSize, microBatches };
    const stepper = await makeStepper(device, { loss, params: settings, vectors: start.vectors });
    const { preview, ...more } = open(device, start, async () => (await stepper.vectors()).ema);
    const take = trainSteps(start, { stepper, params, ...loss.terms && { terms: loss.terms }, ...more });
    // The last run may have been stopped during the preview of this step.
    await preview?.(start.step);
    let lastSaved = start.step;
    for (let step = start.step + 1;; step++) {
      let made: StepResult;
      try {
        made = await take(step);
      } catch (error) {
        if (failed === undefined) throw error;
        return failed(error, step);
      }
      const { loss, gradNorm, learningRate, terms } = made;
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) return diverged(params, made, { lastSaved, files });
      await preview?.(step);
      const figures = { loss, gradNorm, learningRate, ...terms };
      report({ done: step, total: steps, unit: "step", images: batchSize, figures });
      await yieldToMessages();
      const isLast = step === steps;
      if (!isLast && !stop.aborted && step % checkpointEvery !== 0 && !progress.isDue(saveEverySeconds)) continue;
      const state = await made.state();
      await progress.save(step, encodeState(state));
      lastSaved = step;
      if (isLast) return state;
      if (stop.aborted) return { status: "interrupted", step };
    }
  });
}

/** Returns how a training ends after a step whose loss or gradient is not finite. */
function diverged(
  { learningRate, gradClip, warmupSteps }: TrainingParams,
  { step, loss, terms = {}, gradNorm }: StepResult,
  { lastSaved, files }: { readonly lastSaved: number; readonly files: readonly string[] | undefined },
): StageEnd {
  const own = files?.join(" and ");
  // At the first step no update can have spoilt the weights.
  const isOwn = step === 1 && files !== undefined && files.length > 0;
  const bad = Object.keys(terms).filter((name) => !Number.isFinite(terms[name]));
  const ofLoss = bad.length > 0 ? `loss term ${bad.join(" and ")} is not finite` : `loss is ${loss}`;
  const what = Number.isFinite(loss) ? `gradient norm is ${gradNorm}` : ofLoss;
  const good = lastSaved > 0 ? `the last good checkpoint is step ${lastSaved}` : "no checkpoint was saved before it";
  const clipping = files && ` or gradClip (now ${gradClip}), or raise warmupSteps (now ${warmupSteps})`;
  return {
    status: "failed",
    message: `${isOwn ? `${own}: ` : ""}the ${what} at step ${step}; ${good}`,
    notFinite: `the ${what} at step ${step}`,
    fix: isOwn
      ? `look in ${own} for a division by 0, and for roots and logarithms of what is not above 0`
      : `lower learningRate (now ${learningRate})${clipping ?? ""}`,
  };
}
