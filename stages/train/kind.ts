import { type ImageFacts, readImageFacts, readScheduleFacts, sizeText } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../contract/stage.ts";
import { type UnetConfig, type UnetProblem, validateUnetConfig } from "../../diffusion/unet/config.ts";
import { checkBatchSize, checkMost, checkPrediction, isError, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { type TrainParams, trainParams } from "./params.ts";
import { TRAIN_WORK_FACTOR, unetWork } from "./work.ts";

export const trainKind = defineKind({
  kind: "train",
  version: 3,
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
    const timesteps = schedule?.timesteps;
    const problems = problemsOf(
      checkPrediction(params, schedule),
      checkRates(params, timesteps),
      checkLoss(params),
      images !== undefined && checkImages(params, images),
    );
    if (images === undefined) return { problems };
    const { height, width, channels, classes, classNames } = images;
    const known = {
      ...{ height, width, channels, timesteps },
      ...(params.variance === "learned" ? { learnedVariance: true } : {}),
      ...(params.labels === undefined ? { classes: null } : { classes, classNames }),
    };
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

/** The network of a `train` stage for images of this size, which must be square. */
export function unetConfigFor(
  { model, variance, labels }: Pick<TrainParams, "model" | "variance" | "labels">,
  { height, channels, classes }: Pick<ImageFacts, "height" | "channels" | "classes">,
): UnetConfig {
  const outChannels = variance === "learned" ? 2 * channels : channels;
  const told = labels === undefined || !classes ? {} : { classes };
  return { imageSize: height, inChannels: channels, outChannels, ...model, ...told };
}

/** Params that change the key of a training, and nothing else of it. */
function checkLoss({ variance, weighting, minSnrGamma }: TrainParams): CheckProblem[] {
  const without = (param: string, what: string): CheckProblem => ({
    severity: "warning",
    param: [param],
    message: `${param} has no effect without ${what}, but would repeat the training`,
    fix: `leave out ${param}, or use ${what}`,
  });
  return problemsOf(
    variance === "fixedsmall" && weighting !== "vlb" && without("variance", "weighting: vlb"),
    minSnrGamma !== 5 && weighting !== "min-snr" && without("minSnrGamma", "weighting: min-snr"),
  );
}

/** Params that do not fit each other or the schedule's length, where that is known. */
function checkRates(
  { lossBuckets, learningRateDecay: decay, warmupSteps }: TrainParams,
  timesteps: number | undefined,
): CheckProblem[] {
  return problemsOf(
    checkMost(["lossBuckets"], lossBuckets, timesteps, {
      message: "more buckets than timesteps",
    }),
    decay !== undefined && decay.until <= warmupSteps && {
      param: ["learningRateDecay", "until"],
      message: "the decay of the learning rate must end after its warmup",
      got: `until ${decay.until}, warmupSteps ${warmupSteps}`,
      wanted: `until above ${warmupSteps}`,
      fix: "raise until, usually to the total number of steps you plan to train",
    },
  );
}

/** Everything that keeps these params from training on such images; what is not known is not checked. */
function checkImages(params: TrainParams, images: ImageFacts): CheckProblem[] {
  const { batchSize, microBatches } = params;
  const isSquare = images.height === images.width;
  return problemsOf(
    params.labels !== undefined && images.classes === null && {
      param: ["labels"],
      message: "the images have no labels",
      got: "images without labels",
      wanted: "a data set with labels",
      fix: "remove labels, or use images that have them",
    },
    !isSquare && {
      input: "images",
      message: "the network takes square images only",
      got: sizeText(images),
      wanted: "the same height and width",
    },
    isSquare && validateUnetConfig(unetConfigFor(params, images)).map((problem) => fromUnet(problem, images)),
    batchSize % microBatches !== 0 && {
      param: ["microBatches"],
      message: "micro-batches must divide the batch equally",
      got: `${microBatches} of a batch of ${batchSize}`,
      wanted: `a divisor of ${batchSize}`,
      fix: `use microBatches: ${divisorBelow(batchSize, microBatches)}`,
    },
    checkBatchSize(batchSize, images.count),
  );
}

/** The largest divisor of `whole` up to `limit`. */
function divisorBelow(whole: number, limit: number): number {
  let divisor = Math.min(whole, limit);
  while (whole % divisor !== 0) divisor--;
  return divisor;
}

function fromUnet({ field, message }: UnetProblem, images: ImageFacts): CheckProblem {
  const about = `the network does not fit images of ${sizeText(images)}`;
  // The image size is the images' own; what the user can change is the number of levels that halve it.
  const param = field === "imageSize" ? "multipliers" : field;
  const [, got, wanted] = /^got (.*?), wanted (.*)$/s.exec(message) ?? [];
  return {
    param: ["model", param],
    message: `${about}: model.${param}`,
    ...(got === undefined || wanted === undefined ? { got: message } : { got, wanted }),
  };
}
