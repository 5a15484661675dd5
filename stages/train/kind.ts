import { trainParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { checkPrediction } from "../shared/check_prediction.ts";
import { readImageFacts, readScheduleFacts } from "../../artifacts/facts.ts";
import { isError } from "../shared/failed.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { TRAIN_WORK_FACTOR, unetWork } from "../shared/unet_work.ts";
import { checkLabels, checkLoss, checkSchedules, checkTraining, unetConfigFor } from "./check.ts";

export const trainKind = defineKind({
  kind: "train",
  version: 3,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Train a U-Net to undo the noise in images (Ho et al. 2020, algorithm 1)",
  params: trainParams,
  inputs: {
    images: { type: "images", description: "Images to train on" },
    schedule: { type: "schedule", description: "The noise schedule" },
  },
  outputs: {
    checkpoint: {
      type: "checkpoint",
      description: "Raw and averaged (EMA) weights, with the configuration needed to use them",
    },
    log: { type: "log", description: "Loss, gradient norm and learning rate by step" },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const images = readImageFacts(inputs.images);
    const schedule = readScheduleFacts(inputs.schedule);
    const unfit = [
      ...checkPrediction(params, schedule),
      ...checkSchedules(params, schedule?.timesteps),
      ...checkLoss(params),
    ];
    if (images === undefined) return { problems: unfit };
    const { height, width, channels } = images;
    const timesteps = schedule?.timesteps;
    const known = {
      height,
      width,
      channels,
      ...(timesteps === undefined ? {} : { timesteps }),
      ...(params.variance === "learned" ? { learnedVariance: true } : {}),
      ...(params.labels === undefined ? { classes: null } : { classes: images.classes, classNames: images.classNames }),
    };
    const problems = [...unfit, ...checkLabels(params, images), ...checkTraining(params, images)];
    // Without a network that can be built there is no arithmetic to count.
    if (problems.some(isError)) return { problems, facts: { checkpoint: known } };
    const network = unetConfigFor(params, images);
    return {
      problems,
      facts: { checkpoint: { ...known, network, objective: params.objective } },
      ...unetWork(network, TRAIN_WORK_FACTOR * params.batchSize * params.steps, params.batchSize),
    };
  },
});
