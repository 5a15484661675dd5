import { hasSize, type ImageFacts, readImageFacts } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../engine/contract/stage.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import { averagesOf } from "../../science/diffusion/recipe.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import {
  checkBatchSize,
  checkBytes,
  checkMicroBatches,
  checkMost,
  checkSameSize,
  isError,
  problemsOf,
} from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { UNTIMED_TRAINING_PARAMS } from "../shared/training_params.ts";
import { autoencoderWork, TRAIN_WORK_FACTOR } from "../shared/work.ts";
import { autoencoderKindParams } from "./params.ts";

export const autoencoderKind = defineKind({
  kind: "autoencoder",
  version: 2,
  // The network of the perceptual term sees images by its own normaliser.
  revision: ({ lpips }, ports) => lpips !== undefined || ports.includes("features") ? 1 : undefined,
  entry: import.meta.resolve("./run.ts"),
  summary: "Train an autoencoder, for diffusion in its latents (Rombach et al. 2022)",
  params: autoencoderKindParams,
  inputs: {
    images: { type: "images", description: "Images to learn to encode and decode" },
    features: {
      type: "classifier",
      description: "A classifier whose features the loss compares as well, its perceptual term",
      optional: true,
    },
  },
  outputs: {
    autoencoder: {
      type: "autoencoder",
      description: "Raw and averaged (EMA) weights of encoder and decoder, with a picture of reconstructions",
    },
    log: { type: "log", description: "Loss and its terms, gradient norm and learning rate by step" },
  },
  seeded: true,
  device: findStageDevice,
  untimed: UNTIMED_TRAINING_PARAMS,
  definitions: { model: "autoencoder" },
  check(params, inputs) {
    const [images, features] = [readImageFacts(inputs.images), readImageFacts(inputs.features)];
    const { model, batchSize, preview, loss, gradClip } = params;
    const problems = problemsOf(
      checkMicroBatches(params),
      checkBatchSize(batchSize, images?.count),
      checkMost(["preview", "count"], preview?.count ?? 0, images?.count, {
        message: "there are not that many images",
      }),
      checkSameSize("features", features, { name: "those to learn from", size: images }),
      ...params.lpips === undefined ? [] : checkLpips(images, "features" in inputs),
    );
    const isSum = !isOwn(model) && (loss.over ?? (model.kind === "kl" ? "sum" : "mean")) === "sum";
    const notes = isSum && gradClip <= 1
      ? [`gradClip ${gradClip} shortens almost every gradient: the loss is a sum over an image; raise it, as to 1e3`]
      : [];
    if (!hasSize(images)) return { problems, notes };
    const { height, width, channels, dtype } = images;
    if (!isOwn(model)) {
      problems.push(
        ...BUILTIN_AUTOENCODER.check(images, model).map(({ param, ...problem }) => {
          return { param: ["model", ...param], ...problem };
        }),
      );
    }
    if (problems.some(isError)) return { problems, notes };
    const facts = {
      ...{ height, width, channels, ...definedOnly({ dtype }) },
      ...isOwn(model)
        ? { autoencoder: model }
        : { autoencoder: BUILTIN_AUTOENCODER.recordOf(images, model), trained: true },
      averages: Object.keys(params.ema.others ?? {}),
    };
    const work = autoencoderWork(facts.autoencoder, images, {
      passes: TRAIN_WORK_FACTOR * batchSize * params.steps,
      batch: batchSize,
      images: batchSize / params.microBatches,
      parts: params.microBatches,
      averages: averagesOf(params.ema).length,
    });
    const result = { problems, notes, facts: { autoencoder: facts } };
    const networks = [..."features" in inputs ? [1] : [], ...params.lpips === undefined ? [] : [1, 1]];
    if (networks.length === 0) return { ...result, ...work };
    // The memory of a perceptual term is not known, and its time only from runs with one: shapes are as long as theirs.
    const { workGflop, workShape = [] } = work;
    return { ...result, ...definedOnly({ workGflop, workShape: [...workShape, ...networks] }) };
  },
});

/** Height and width that leave a pixel to the last block of VGG16, after four halvings. */
const LEAST_SIDE = 16;

function checkLpips(images: ImageFacts | undefined, hasFeatures: boolean): CheckProblem[] {
  const { height = LEAST_SIDE, width = LEAST_SIDE, channels = 3 } = images ?? {};
  return problemsOf(
    hasFeatures && {
      param: ["lpips"],
      message: "a loss has one perceptual term",
      got: "lpips and input features",
      wanted: "one of them",
      fix: "remove the other",
    },
    (![1, 3].includes(channels) || Math.min(height, width) < LEAST_SIDE) && {
      param: ["lpips"],
      message: "LPIPS takes pictures in grey or RGB",
      got: `${height}x${width}x${channels}`,
      wanted: `at least ${LEAST_SIDE}x${LEAST_SIDE}, 1 or 3 channels`,
      fix: "remove lpips",
    },
    checkBytes("images", images, "the network of LPIPS was trained on bytes"),
  );
}
