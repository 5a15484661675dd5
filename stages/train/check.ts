import { type UnetConfig, type UnetProblem, validateUnetConfig } from "../../diffusion/unet/config.ts";
import type { TrainParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import { checkBatchSize } from "../shared/check_batch_size.ts";
import { type ImageFacts, sizeText } from "../../artifacts/facts.ts";

/** Height, width and channels of the images to learn from. */
type ImageSize = Pick<ImageFacts, "height" | "width" | "channels">;

/** The network of a `train` stage for images of this size, which must be square. */
export function unetConfigFor(
  { model, variance, labels }: Pick<TrainParams, "model" | "variance" | "labels">,
  { height, channels, classes }: ImageSize & Pick<ImageFacts, "classes">,
): UnetConfig {
  const outChannels = variance === "learned" ? 2 * channels : channels;
  const told = labels === undefined || !classes ? {} : { classes };
  return { imageSize: height, inChannels: channels, outChannels, ...model, ...told };
}

/** Labels that the images do not have; what is not known is not checked. */
export function checkLabels(
  { labels }: Pick<TrainParams, "labels">,
  images: Pick<ImageFacts, "classes"> | undefined,
): CheckProblem[] {
  if (labels === undefined || images?.classes !== null) return [];
  return [{
    param: ["labels"],
    message: "the images have no labels",
    got: "images without labels",
    wanted: "a data set with labels",
    fix: "remove labels, or use images that have them",
  }];
}

/** Params that change the key of a training, and nothing else of it. */
export function checkLoss({ variance, weighting, minSnrGamma }: TrainParams): CheckProblem[] {
  const without = (param: string, what: string): CheckProblem => ({
    severity: "warning",
    param: [param],
    message: `${param} has no effect without ${what}, but would repeat the training`,
    fix: `leave out ${param}, or use ${what}`,
  });
  return [
    ...(variance === "fixedsmall" && weighting !== "vlb" ? [without("variance", "weighting: vlb")] : []),
    ...(minSnrGamma !== 5 && weighting !== "min-snr" ? [without("minSnrGamma", "weighting: min-snr")] : []),
  ];
}

/** Params that do not fit each other or the schedule's length, where that is known. */
export function checkSchedules(
  { lossBuckets, learningRateDecay: decay, warmupSteps }: TrainParams,
  timesteps: number | undefined,
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  if (timesteps !== undefined && lossBuckets > timesteps) {
    problems.push({
      param: ["lossBuckets"],
      message: "more buckets than timesteps",
      got: `${lossBuckets}`,
      wanted: `at most ${timesteps}`,
      fix: `use lossBuckets: ${timesteps} or fewer`,
    });
  }
  if (decay !== undefined && decay.until <= warmupSteps) {
    problems.push({
      param: ["learningRateDecay", "until"],
      message: "the decay of the learning rate must end after its warmup",
      got: `until ${decay.until}, warmupSteps ${warmupSteps}`,
      wanted: `until above ${warmupSteps}`,
      fix: "raise until, usually to the total number of steps you plan to train",
    });
  }
  return problems;
}

/** Everything that keeps these params from training on images of this size and number. */
export function checkTraining(
  { model, variance, batchSize, microBatches }: Pick<
    TrainParams,
    "model" | "variance" | "batchSize" | "microBatches"
  >,
  images: ImageSize & Pick<ImageFacts, "count">,
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  if (images.height !== images.width) {
    problems.push({
      input: "images",
      message: "the network takes square images only",
      got: sizeText(images),
      wanted: "the same height and width",
    });
  } else {
    problems.push(
      ...validateUnetConfig(unetConfigFor({ model, variance }, images)).map((problem) => fromUnet(problem, images)),
    );
  }
  if (batchSize % microBatches !== 0) {
    problems.push({
      param: ["microBatches"],
      message: "micro-batches must divide the batch equally",
      got: `${microBatches} of a batch of ${batchSize}`,
      wanted: `a divisor of ${batchSize}`,
      fix: `use microBatches: ${divisorBelow(batchSize, microBatches)}`,
    });
  }
  return problems.concat(checkBatchSize(batchSize, images.count));
}

/** The largest divisor of `whole` up to `limit`. */
function divisorBelow(whole: number, limit: number): number {
  let divisor = Math.min(whole, limit);
  while (whole % divisor !== 0) divisor--;
  return divisor;
}

function fromUnet({ field, message }: UnetProblem, images: ImageSize): CheckProblem {
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
