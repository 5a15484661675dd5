import { z } from "zod";
import { hasSize, readAutoencoderFacts, readImageFacts, unboundedFact } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { BUILTIN_AUTOENCODER } from "../../science/diffusion/autoencoders.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { checkForm, checkWeightsName, diskOf, isError, problemsOf } from "../shared/checks.ts";
import { deviceParam, positiveInt, threadsParam, weightsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { autoencoderWork } from "../shared/work.ts";

const factor = z.number().positive().max(1e6);

const encodeParams = z.strictObject({
  posterior: z.enum(["draw", "mode"]).default("draw").describe(
    "For latents with a Gaussian each: store mean and deviation, and let a training draw from them at each step " +
      "(draw), or store the means alone (mode)",
  ),
  normalize: z.union([
    z.enum(["moments", "deviation"]),
    z.strictObject({ factor: factor.describe("Networks see latents times this") }),
    z.strictObject({ range: z.tuple([z.number(), z.number()]).describe("Latents that become -1 and 1") })
      .refine(({ range: [low, high] }) => low < high, { path: ["range"], error: "the lower value first" }),
  ]).optional().describe(
    "Latents that networks see as -1 and 1. moments: the mean over all images becomes 0 and the standard deviation 1, per " +
      "channel. deviation: one factor for all channels, 1 / their standard deviation (scale_by_std of LDM). factor: " +
      "that of published weights. range: these two values, which samples do not exceed. Default: the factor of imported " +
      "weights that name one, else moments",
  ),
  flip: z.boolean().default(false).describe(
    "Encode each image and its mirror image, so that there are twice as many latents, those of mirror images last",
  ),
  weights: weightsParam(),
  batchSize: positiveInt(65_536).default(64).describe("Images per evaluation of the network"),
  device: deviceParam(),
  threads: threadsParam(),
});

export type EncodeParams = z.output<typeof encodeParams>;

export const encodeKind = defineKind({
  kind: "encode",
  version: 1,
  entry: import.meta.resolve("./run.ts"),
  shards: true,
  summary: "Encode images into the latents of an autoencoder, for diffusion in them",
  params: encodeParams,
  inputs: {
    images: { type: "images", description: "Images to encode" },
    autoencoder: { type: "autoencoder", description: "The autoencoder, whose encoder is used" },
  },
  outputs: {
    images: { type: "images", description: "Latents, with their normaliser and the digest of their encoder" },
  },
  device: findStageDevice,
  check(params, inputs) {
    const [images, autoencoder] = [readImageFacts(inputs.images), readAutoencoderFacts(inputs.autoencoder)];
    const model = autoencoder?.autoencoder;
    const known = hasSize(images) && model !== undefined && !isOwn(model) && { images, model };
    const problems = problemsOf(
      checkWeightsName(params.weights, autoencoder),
      checkForm("images", images, autoencoder),
      known && BUILTIN_AUTOENCODER.check(known.images, known.model).map(({ param: _, ...problem }) => {
        return { input: "images", ...problem, fix: "use images of a size that it halves evenly" };
      }),
    );
    if (images === undefined || problems.some(isError)) return { problems };
    const { classes, classNames } = images;
    const count = images.count && images.count * (params.flip ? 2 : 1);
    const size = known ? BUILTIN_AUTOENCODER.latentOf(known.model, known.images) : {};
    const { weights } = params;
    const latent = autoencoder?.trained && autoencoder.stage ? { stage: autoencoder.stage, weights } : true;
    const latents = {
      ...{ ...size, dtype: "float32", latent, ...unboundedFact(params.normalize, true) } as const,
      ...definedOnly({ classes, classNames, count }),
    };
    return {
      problems,
      facts: { images: latents },
      ...diskOf(latents, ...params.posterior === "draw" ? [latents] : []),
      ...autoencoderWork(model, images, { halves: ["encoder"], passes: count, batch: params.batchSize }),
    };
  },
});
