import { writeCheckpoint } from "../../artifacts/checkpoint.ts";
import { readImages, type StoredImages } from "../../artifacts/images.ts";
import { writeLog } from "../../artifacts/log.ts";
import { readSchedule, type StoredPath } from "../../artifacts/schedule.ts";
import type { ContextOf, StageEnd } from "../../contract/stage.ts";
import { LossAwareTimesteps } from "../../diffusion/loss_aware_timesteps.ts";
import { countParameters } from "../../diffusion/unet/parameters.ts";
import { withDevice } from "../shared/device.ts";
import { runOf } from "../shared/run_of.ts";
import { takeSteps } from "../shared/steps.ts";
import { makeBuckets } from "../shared/timestep_buckets.ts";
import { makeBatches } from "./batches.ts";
import { trainKind, unetConfigFor } from "./kind.ts";
import {
  decodeState,
  encodeState,
  initialState,
  makeStepper,
  type StepResult,
  type TrainState,
  trainSteps,
} from "./training.ts";

type Context = ContextOf<typeof trainKind>;

/** Weight of the past in the loss that is shown while training; the log has each step's own. */
const SHOWN_LOSS_DECAY = 0.95;

export default runOf(trainKind, async (context) => {
  const { params, seed, inputs, outputs } = context;
  const images = await readImages(inputs.images);
  const schedule = await readSchedule(inputs.schedule, context.definitions);
  const trained = await train(context, images, schedule);
  if ("status" in trained) return trained;
  const { step, vectors, log } = trained;
  const { height, width, channels, source } = images.info;
  await writeCheckpoint(outputs.checkpoint, {
    config: {
      model: unetConfigFor(params, images.info),
      images: { height, width, channels, source },
      schedule: schedule.spec,
      timesteps: schedule.path.timesteps,
      step,
      parameters: vectors.params.length,
      ema: params.ema,
      seed,
      ...(params.objective === "eps" ? {} : { objective: params.objective }),
    },
    tables: schedule.path.tables!,
    params: vectors.params,
    ema: vectors.ema,
  });
  await writeLog(outputs.log, log);
  return undefined;
});

/** Train up to the wanted step, from the newest saved state. */
async function train(
  context: Context,
  images: StoredImages,
  schedule: StoredPath,
): Promise<TrainState | StageEnd> {
  const { params, progress, seed, stop } = context;
  const model = unetConfigFor(params, images.info);
  const saved = await progress.latest();
  const start = saved === undefined ? initialState(model, seed) : await decodeState(saved, countParameters(model));
  if (start.step >= params.steps) return start;
  if (stop.aborted) return { status: "interrupted", step: start.step };

  return await withDevice(context, async (device) => {
    const stepper = await makeStepper(device, { model, params, vectors: start.vectors });
    const tables = schedule.path.tables!;
    const timesteps = params.timestepSampler === "loss-aware"
      ? new LossAwareTimesteps(tables.timesteps, start.timestepLosses)
      : undefined;
    const buckets = makeBuckets(tables.timesteps, params.lossBuckets);
    const told = { classes: model.classes, dropLabels: params.labels?.drop };
    const batch = makeBatches(images, { ...params, ...told, timesteps, tables, seed });
    const results = trainSteps(start, { stepper, batch, params, timesteps, buckets });
    let last: StepResult;
    let lastSaved = start.step;
    let shownLoss: number | undefined;
    return await takeSteps(context, {
      from: start.step,
      images: params.batchSize,
      async step() {
        last = (await results.next()).value;
        const { loss, gradNorm } = last;
        if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) return diverged(params, last, lastSaved);
        shownLoss = shownLoss === undefined ? loss : SHOWN_LOSS_DECAY * shownLoss + (1 - SHOWN_LOSS_DECAY) * loss;
        return { loss: shownLoss.toFixed(4) };
      },
      state: () => last.state(),
      encode(state) {
        lastSaved = state.step;
        return encodeState(state);
      },
    });
  });
}

function diverged(
  params: Context["params"],
  { step, loss, gradNorm }: StepResult,
  lastSaved: number,
): StageEnd {
  const what = Number.isFinite(loss) ? `gradient norm is ${gradNorm}` : `loss is ${loss}`;
  const good = lastSaved > 0 ? `the last good checkpoint is step ${lastSaved}` : "no checkpoint was saved before it";
  return {
    status: "failed",
    message: `the ${what} at step ${step}; ${good}`,
    fix: `lower learningRate (now ${params.learningRate}) or gradClip (now ${params.gradClip}), or raise warmupSteps ` +
      `(now ${params.warmupSteps})`,
  };
}
