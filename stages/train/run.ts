import { readDecoder, type StoredDecoder } from "../../artifacts/autoencoder.ts";
import { writeCheckpoint } from "../../artifacts/checkpoint.ts";
import { type ImageReader, openImages } from "../../artifacts/image_files.ts";
import { writeLog } from "../../artifacts/log.ts";
import { readSchedule } from "../../artifacts/schedule.ts";
import type { ContextOf, StageEnd } from "../../engine/contract/stage.ts";
import { diffusionLoss } from "../../science/diffusion/diffusion_loss.ts";
import { recordOf } from "../../science/diffusion/normalizer.ts";
import { lossAwareTimesteps } from "../../science/diffusion/loss_aware_timesteps.ts";
import { AUGMENTATION_EMBEDDING } from "../../science/diffusion/unet/plan.ts";
import { AugmentationError, makeAugmenter } from "../shared/augmenter.ts";
import { runOf } from "../shared/run_of.ts";
import { lossByBucket, makeBuckets } from "../shared/timestep_buckets.ts";
import { initialState, recordOfAverages, type TrainState, weightsByName } from "../shared/training.ts";
import { trainFromNewest } from "../shared/training_loop.ts";
import { makeBatches } from "./batches.ts";
import { buildTrainingSetup, type TrainingSetup } from "./definitions.ts";
import { trainKind } from "./kind.ts";
import { startSamplePreviews } from "./previews.ts";
import { readStartWeights, startVectors, type StartWeights } from "./start_weights.ts";

type Context = ContextOf<typeof trainKind>;

export default runOf(trainKind, async (context) => {
  const { params, seed, inputs, outputs } = context;
  using images = await openImages(inputs.images);
  const schedule = await readSchedule(inputs.schedule, context.definitions);
  const start = inputs.start && await readStartWeights(inputs.start, params);
  const setup = await buildTrainingSetup(context, images.info, schedule.path, start);
  if ("status" in setup) return setup;
  const decoder = inputs.autoencoder && await readDecoder(inputs.autoencoder, images.encoder, context.definitions);
  const trained = await train(context, images, setup, { start, decoder });
  if ("status" in trained) return trained;
  const { step, vectors, log } = trained;
  const { height, width, channels, source } = images.info;
  const form = recordOf(images);
  await writeCheckpoint(outputs.checkpoint, {
    config: {
      images: { height, width, channels, ...form, source },
      schedule: schedule.spec,
      timesteps: schedule.path.timesteps,
      step,
      parameters: vectors.params.length,
      ema: recordOfAverages(params.ema),
      seed,
      ...(start && {
        start: {
          digest: inputs.start!.digest,
          weights: params.startWeights,
          step: start.config.step,
          initialised: setup.initialised,
        },
      }),
      ...(params.freeze.length === 0 ? {} : { freeze: params.freeze }),
      ...setup.config,
    },
    network: setup.network,
    path: schedule.path,
    weights: weightsByName(vectors, params.ema),
  });
  await writeLog(outputs.log, log);
  return undefined;
});

/** Trains up to the wanted step, from the newest saved state. */
async function train(
  context: Context,
  images: ImageReader,
  { network, params: learning, augmentation, files, initialised }: TrainingSetup,
  { start: from, decoder }: {
    readonly start: StartWeights | undefined;
    readonly decoder: StoredDecoder | undefined;
  },
): Promise<TrainState | StageEnd> {
  const { params, seed } = context;
  return await trainFromNewest(context, {
    loss: diffusionLoss(network, learning),
    updates: learning,
    begin() {
      for (const name of initialised) {
        const { classes, augmentation } = from!.config.model;
        const [others, what] = name === AUGMENTATION_EMBEDDING ? [augmentation, "augmentation"] : [classes, "classes"];
        context.note(`${name} starts anew: the checkpoint has ${others === undefined ? "no" : "other"} ${what}`);
      }
      return initialState(network, seed, params.ema, from && startVectors(from, network, { initialised, seed }));
    },
    open(device, start, weights) {
      const { path: { timesteps: length } } = learning;
      const timesteps = params.timestepSampler === "loss-aware"
        ? lossAwareTimesteps(length, start.timestepLosses)
        : undefined;
      const buckets = makeBuckets(length, params.lossBuckets);
      const told = { classes: network.sizes.classes, dropLabels: params.labels?.drop };
      const augmenter = augmentation && makeAugmenter(augmentation, images.info, seed);
      return {
        batch: makeBatches(images, { ...learning, ...told, augmenter, timesteps, seed }),
        updates: from?.updates,
        observe({ t }, { lossPerImage: losses }) {
          timesteps?.observe(t as Int32Array, losses);
          return buckets.length === 0 ? {} : { lossByTimestep: lossByBucket({ t: t!, losses }, buckets) };
        },
        more: () => timesteps === undefined ? {} : { timestepLosses: timesteps.history() },
        preview: startSamplePreviews(context, device, { network, ...learning, form: images }, { weights, decoder }),
      };
    },
    failed(error, step) {
      if (!(error instanceof AugmentationError)) throw error;
      return { status: "failed", message: `${error.message}, at step ${step}` };
    },
    files,
  });
}
