import { hasSize, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../contract/stage.ts";
import { BUILTIN_AUTOENCODER } from "../../diffusion/autoencoders.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { checkBatchSize, checkMicroBatches, checkMost, checkSameSize, isError, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { autoencoderKindParams } from "./params.ts";

export const autoencoderKind = defineKind({
  kind: "autoencoder",
  version: 1,
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
    autoencoder: { type: "autoencoder", description: "Raw and averaged (EMA) weights of encoder and decoder" },
    log: { type: "log", description: "Loss and its terms, gradient norm and learning rate by step" },
  },
  seeded: true,
  device: findStageDevice,
  definitions: { model: "autoencoder" },
  check(params, inputs) {
    const [images, features] = [readImageFacts(inputs.images), readImageFacts(inputs.features)];
    const { model, batchSize, preview } = params;
    const problems = problemsOf(
      checkMicroBatches(params),
      checkBatchSize(batchSize, images?.count),
      checkMost(["preview", "count"], preview?.count ?? 0, images?.count, {
        message: "there are not that many images",
      }),
      checkSameSize("features", features, { name: "those to learn from", size: images }),
    );
    if (!hasSize(images)) return { problems };
    const { height, width, channels, dtype } = images;
    if (!isOwn(model)) {
      problems.push(
        ...BUILTIN_AUTOENCODER.check(images, model).map(({ param, ...problem }) => {
          return { param: ["model", ...param], ...problem };
        }),
      );
    }
    if (problems.some(isError)) return { problems };
    const facts = {
      ...{ height, width, channels, ...definedOnly({ dtype }) },
      autoencoder: isOwn(model) ? model : BUILTIN_AUTOENCODER.recordOf(images, model),
      averages: Object.keys(params.ema.others ?? {}),
    };
    return { problems, facts: { autoencoder: facts } };
  },
});
