import {
  type CheckpointFacts,
  hasSize,
  type ImageFacts,
  type ImageSize,
  readCheckpointFacts,
  readImageFacts,
  readScheduleFacts,
  type ScheduleFacts,
} from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../engine/contract/stage.ts";
import type { NetworkSizes } from "../../science/diffusion/define.ts";
import { builtinAugmentation, type ChosenAugmentation, conditionsOf } from "../../science/diffusion/augmentations.ts";
import { BUILTIN_NETWORK } from "../../science/diffusion/networks.ts";
import { builtinObjective } from "../../science/diffusion/objectives.ts";
import { averagesOf, emaDecayAt } from "../../science/diffusion/recipe.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import {
  checkBatchSize,
  checkBytes,
  checkDecoder,
  checkMicroBatches,
  checkMost,
  checkPrediction,
  checkWeightsName,
  decoderInput,
  isError,
  problemsOf,
} from "../shared/checks.ts";
import { type ObjectiveFacts, objectiveFacts } from "../shared/describe_definition.ts";
import { findStageDevice } from "../shared/device.ts";
import { UNTIMED_TRAINING_PARAMS } from "../shared/training_params.ts";
import { checkSampler } from "../shared/draw/sampler.ts";
import { type TrainParams, trainParams } from "./params.ts";
import { checkBuiltin, modelOf } from "./start.ts";
import { networkWork, TRAIN_WORK_FACTOR } from "../shared/work.ts";

export const trainKind = defineKind({
  kind: "train",
  version: 6,
  // L_0 is that of the images' normaliser.
  revision: ({ variance }) => variance === "learned" ? 1 : undefined,
  entry: import.meta.resolve("./run.ts"),
  summary: "Train a network to undo the noise in images (Ho et al. 2020, algorithm 1)",
  params: trainParams,
  inputs: {
    images: { type: "images", description: "Images to train on" },
    schedule: { type: "schedule", description: "The noise schedule" },
    start: {
      type: "checkpoint",
      description: "Weights to start from, for fine-tuning; Adam's moments start at zero",
      optional: true,
    },
    autoencoder: decoderInput,
  },
  outputs: {
    checkpoint: {
      type: "checkpoint",
      description: "Raw and averaged (EMA) weights, with the configuration needed to use them",
    },
    log: { type: "log", description: "Loss, gradient norm and learning rate by step" },
  },
  seeded: true,
  device: (params, tryDevice, known) => findStageDevice(params, tryDevice, { ...known, trains: true }),
  untimed: [...UNTIMED_TRAINING_PARAMS, "minSnrGamma"],
  definitions: { model: "network", objective: "objective", augment: "augmentation" },
  check(params, inputs, own = {}) {
    const images = readImageFacts(inputs.images);
    const start = "start" in inputs ? { facts: readCheckpointFacts(inputs.start) } : undefined;
    const schedule = readScheduleFacts(inputs.schedule);
    const timesteps = schedule?.timesteps;
    const objective: Partial<ObjectiveFacts> = isOwn(params.objective)
      ? own["objective"] ?? {}
      : objectiveFacts(builtinObjective(params.objective));
    const { augment } = params;
    const builtin = augment === undefined || isOwn(augment) ? undefined : builtinAugmentation(augment);
    const conditions = builtin === undefined ? own["augment"]?.["conditions"] as number ?? 0 : conditionsOf(builtin);
    const problems = problemsOf(
      checkPrediction(objective, schedule, images),
      checkDecoder("images", images, inputs),
      checkRates(params, timesteps),
      checkStartParams(params, start, schedule),
      checkLoss(params, objective),
      schedule !== undefined && !schedule.variancePreserving && checkChain(params, objective, schedule.betas),
      schedule?.draws === true && params.timestepSampler !== "uniform" && {
        param: ["timestepSampler"],
        message: "the path says itself which times a training draws",
        got: `${params.timestepSampler}, on ${schedule.betas}`,
        wanted: "uniform",
        fix: `remove timestepSampler, or leave draw out of ${schedule.betas}`,
      },
      params.preview !== undefined && schedule !== undefined && checkSampler(
        params.preview.sampler,
        { ...schedule, learnedVariance: params.variance === "learned", ownSampler: objective.sampler },
      ).map(({ param = [], ...problem }) => ({ ...problem, param: ["preview", ...param] })),
    );
    const told = { problems, notes: alikeAverages(params) };
    if (images === undefined) return told;
    const { height, width, channels, dtype, latent, classes, classNames } = images;
    if (hasSize(images) && images.height * images.width > 1) {
      problems.push(...checkMost(["preview", "count"], params.preview?.count ?? 0, 64, {
        message: "a preview has room for so many images",
      }));
    }
    if (latent !== undefined && params.flip) {
      problems.push({
        param: ["flip"],
        message: "the latents of a mirrored image are not its mirrored latents",
        got: "flip: true on latents",
        wanted: "latents of mirrored images",
        fix: "remove flip here, and set flip: true in the encode stage",
      });
    }
    if (params.variance === "learned") {
      const message = "variance: learned trains on the likelihood of bytes";
      problems.push(...checkBytes("images", images, message));
    }
    const variancePreserving = schedule?.variancePreserving;
    const known = definedOnly({
      ...{ height, width, channels, dtype, latent, timesteps, variancePreserving, ownSampler: objective.sampler },
      betas: schedule?.betas,
      averages: Object.keys(params.ema.others ?? {}),
      ...(params.variance === "learned" ? { learnedVariance: true } : {}),
      ...(params.labels === undefined ? { classes: null } : { classes, classNames }),
    });
    const model = hasSize(images) ? modelOf(params, start?.facts?.network, images) : undefined;
    const ofImages = checkImages(params, images, model);
    problems.push(...ofImages, ...checkAugmentation(builtin, images));
    // If no network can be built, there is no arithmetic to count.
    const unbuilt = { ...told, facts: { checkpoint: known } };
    if (!hasSize(images) || model === undefined || ofImages.some(isError)) return unbuilt;
    const sizes = networkSizesFor(params, images, conditions);
    const network = isOwn(model) ? model : BUILTIN_NETWORK.recordOf(sizes, model);
    if (!isOwn(network)) problems.push(...checkBuiltin(params, start?.facts, { ...known, network }));
    if (problems.some(isError)) return unbuilt;
    return {
      ...told,
      facts: { checkpoint: { ...known, network, objective: params.objective } },
      ...networkWork(network, TRAIN_WORK_FACTOR * params.batchSize * params.steps, params.batchSize, {
        images: params.batchSize / params.microBatches,
        parts: params.microBatches,
        averages: averagesOf(params.ema).length,
      }),
    };
  },
});

/** Reports params of an augmentation that do not fit the images. */
function checkAugmentation(chosen: ChosenAugmentation | undefined, images: ImageFacts): CheckProblem[] {
  const problems = hasSize(images) && chosen?.definition.check?.(chosen.params as never, images) || [];
  return problems.map(({ param, ...problem }) => ({ ...problem, param: ["augment", ...param] }));
}

/** Returns the image size, channels, classes and conditions that the network of a `train` stage is built for. */
export function networkSizesFor(
  { variance, labels }: Pick<TrainParams, "variance" | "labels">,
  { height, width, channels, classes }: ImageSize & Pick<ImageFacts, "classes">,
  conditions = 0,
): NetworkSizes {
  const outChannels = variance === "learned" ? 2 * channels : channels;
  const told = { ...(labels === undefined || !classes ? {} : { classes }) };
  return { height, width, channels, outChannels, ...told, ...(conditions === 0 ? {} : { augmentation: conditions }) };
}

/**
 * Reports params that do not fit the objective, or that change only the key of a training, and nothing that it
 * computes.
 */
function checkLoss(
  { objective, variance, weighting, minSnrGamma }: TrainParams,
  { free, weighted }: Partial<ObjectiveFacts>,
): CheckProblem[] {
  const without = (param: string, what: string): CheckProblem => ({
    severity: "warning",
    param: [param],
    message: `${param} has no effect without ${what}, but would repeat the training`,
    fix: `leave out ${param}, or use ${what}`,
  });
  const file = isOwn(objective) ? objective.uses : "";
  const another = (param: string, got: string, wanted: string): CheckProblem => ({
    param: [param],
    message: `${file} is an objective with ${free ? "a loss" : "weights"} of its own`,
    ...{ got, wanted },
    fix: `leave out ${param}`,
  });
  return problemsOf(
    (free || weighted) === true && weighting !== "simple" && another("weighting", weighting, "simple"),
    free === true && variance === "learned" &&
      another("variance", variance, "a fixed variance: the bound needs a target that is a mixture of x_0 and noise"),
    variance === "fixedsmall" && weighting !== "vlb" && without("variance", "weighting: vlb"),
    minSnrGamma !== 5 && weighting !== "min-snr" && without("minSnrGamma", "weighting: min-snr"),
  );
}

/** Reports params that need a path that preserves the variance. */
function checkChain({ objective, variance, weighting }: TrainParams, { needs }: Partial<ObjectiveFacts>, path: string) {
  const needing = {
    ...needs === "chain" ? { objective: isOwn(objective) ? objective.uses : objective } : {},
    ...variance === "learned" ? { variance } : {},
    ...weighting === "vlb" ? { weighting } : {},
  };
  return Object.entries(needing).map(([param, value]) => ({
    param: [param],
    message: `${param} ${value} needs a schedule that preserves the variance, signal^2 + noise^2 = 1`,
    got: `the path of ${path}`,
    wanted: "a chain of betas",
    fix: `use another ${param}, or another schedule`,
  }));
}

/** Reports params that do not fit each other or, if known, the schedule's length. */
function checkRates(
  { lossBuckets, learningRateDecay: decay, warmupSteps, steps }: TrainParams,
  timesteps: number | undefined,
): CheckProblem[] {
  return problemsOf(
    checkMost(["lossBuckets"], lossBuckets, timesteps, { message: "more buckets than timesteps" }),
    decay !== undefined && decay.until <= warmupSteps && {
      param: ["learningRateDecay", "until"],
      message: "the decay of the learning rate must end after its warmup",
      got: `until ${decay.until}, warmupSteps ${warmupSteps}`,
      wanted: `until above ${warmupSteps}`,
      fix: "raise until, usually to the total number of steps you plan to train",
    },
    decay?.floor === 0 && decay.until < steps && {
      severity: "warning",
      param: ["learningRateDecay", "until"],
      message: "the learning rate is 0 from until on, so that the steps after it change no weights",
      got: `until ${decay.until}, steps ${steps}`,
      wanted: `until at least ${steps}, or a floor above 0`,
      fix: `end at steps: ${decay.until}, or raise until or floor`,
    },
  );
}

/** Says which averages are the same to the end: while they warm up, all have the same decay. */
function alikeAverages({ ema, steps, startWeights }: TrainParams): string[] {
  // These averages go on from different ones, after a number of updates that the checkpoint says.
  if (startWeights === "all") return [];
  const { warmup } = ema;
  const byLastDecay = Map.groupBy(averagesOf(ema), ({ decay }) => emaDecayAt(steps, { decay, warmup }));
  return [...byLastDecay.values()].filter(({ length }) => length > 1).map((alike) => {
    const least = Math.min(...alike.map(({ decay }) => decay));
    // From here on the decay of the warmup, (1 + n) / (10 + n), is above the least of theirs.
    const until = Math.round((10 * least - 1) / (1 - least));
    const names = alike.map(({ name }) => name).join(" and ");
    return `the averages ${names} are the same at step ${steps}` +
      (warmup && alike.some(({ decay }) => decay > least)
        ? `: with ema.warmup they differ from about step ${until} on; train longer, write warmup: false, or leave one out`
        : "; leave one out");
  });
}

/** Reports params about the start that do not fit it, or each other. */
function checkStartParams(
  { model, startWeights, objective, freeze }: TrainParams,
  start: { readonly facts: CheckpointFacts | undefined } | undefined,
  schedule: ScheduleFacts | undefined,
): CheckProblem[] {
  if (start === undefined) {
    const without = { message: "the stage has no input start", fix: "add start: STAGE to its inputs, a checkpoint" };
    return problemsOf(
      model === "start" && { param: ["model"], ...without },
      startWeights !== "ema" && { param: ["startWeights"], ...without },
      freeze.length > 0 && {
        ...without,
        severity: "warning",
        param: ["freeze"],
        message: "frozen parameters keep their random initial values, since the stage has no input start",
        got: freeze.join(", "),
        wanted: "freeze with input start, or no freeze",
      },
    );
  }
  const { facts } = start;
  const differ = (what: string, got: string | undefined, wanted: string | undefined) =>
    got !== undefined && wanted !== undefined && !wanted.endsWith(got) && {
      severity: "warning" as const,
      input: "start",
      message: `the checkpoint was trained with another ${what}, so that the training begins by unlearning it`,
      ...{ got, wanted },
      fix: `use the ${what} of the checkpoint, unless the change is what you want`,
    };
  const nameOf = (value: TrainParams["objective"] | undefined) => isOwn(value) ? value.uses : value;
  return problemsOf(
    startWeights !== "all" &&
      checkWeightsName(startWeights, facts).map((problem) => ({ ...problem, param: ["startWeights"] })),
    // A result has the name of a user's file, a pipeline its path.
    differ("objective", nameOf(facts?.objective), nameOf(objective)),
    differ("schedule", facts?.betas, schedule?.betas),
    differ("number of timesteps", facts?.timesteps?.toString(), schedule?.timesteps.toString()),
  );
}

/**
 * Reports everything that prevents training on such images with these params; unknown facts are not checked.
 * @param model undefined if only the run finds out
 */
function checkImages(
  params: TrainParams,
  images: ImageFacts,
  model: ReturnType<typeof modelOf>,
): CheckProblem[] {
  return problemsOf(
    params.labels !== undefined && images.classes === null && {
      param: ["labels"],
      message: "the images have no labels",
      got: "images without labels",
      wanted: "a data set with labels",
      fix: "remove labels, or use images that have them",
    },
    hasSize(images) && model !== undefined && !isOwn(model) &&
      BUILTIN_NETWORK.check(networkSizesFor(params, images), model).map(({ param, ...problem }) => {
        return param.length === 0 ? { input: "images", ...problem } : { param: ["model", ...param], ...problem };
      }),
    checkMicroBatches(params),
    checkBatchSize(params.batchSize, images.count),
  );
}
