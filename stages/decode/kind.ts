import { z } from "zod";
import { readAutoencoderFacts, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { checkDecoder, checkFiles, checkWeightsName, diskOf, isError, problemsOf } from "../shared/checks.ts";
import { deviceParam, filesParam, positiveInt, threadsParam, weightsParam } from "../shared/common_params.ts";
import { findStageDevice } from "../shared/device.ts";
import { autoencoderWork, decodedSize } from "../shared/work.ts";

export const decodeKind = defineKind({
  kind: "decode",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  shards: true,
  summary: "Decode latents, such as samples of them, into images",
  params: z.strictObject({
    weights: weightsParam(),
    batchSize: positiveInt(65_536).default(64).describe("Latents per evaluation of the network"),
    files: filesParam(),
    device: deviceParam(),
    threads: threadsParam(),
  }),
  inputs: {
    samples: { type: "images", description: "Latents: samples, or the output of an encode stage" },
    autoencoder: {
      type: "autoencoder",
      description: "The autoencoder of the latents, or one with the same encoder whose decoder was trained further",
    },
  },
  outputs: {
    samples: { type: "samples", description: "The images, with a picture of the first 64" },
  },
  device: findStageDevice,
  check(params, inputs) {
    const [latents, autoencoder] = [readImageFacts(inputs.samples), readAutoencoderFacts(inputs.autoencoder)];
    const problems = problemsOf(
      checkWeightsName(params.weights, autoencoder),
      checkDecoder("samples", latents, inputs, params.weights),
    );
    if (autoencoder?.channels === undefined || latents === undefined || problems.some(isError)) {
      return { problems };
    }
    const { channels, dtype, autoencoder: model } = autoencoder;
    const { classes, classNames, count } = latents;
    // For a user's autoencoder only the run finds out.
    const facts = { ...decodedSize(model, latents), channels, ...definedOnly({ dtype, classes, classNames, count }) };
    return {
      problems: [...problems, ...checkFiles(params.files, facts)],
      facts: { samples: facts },
      ...diskOf(facts),
      ...autoencoderWork(model, facts, { halves: ["decoder"], passes: count, batch: params.batchSize }),
    };
  },
});
