import { evaluateParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { unetWork } from "../shared/unet_work.ts";
import { checkEvaluation } from "./check.ts";

export const evaluateKind = defineKind({
  kind: "evaluate",
  version: 4,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Loss and likelihood of a checkpoint on held-out images, overall and by timestep",
  params: evaluateParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to measure" },
    images: { type: "images", description: "Images held out from training" },
  },
  outputs: {
    metrics: {
      type: "metrics",
      description: "L_simple of Ho et al. 2020, eq. 14; with bound, their eq. 5 by its terms",
    },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const images = readImageFacts(inputs.images);
    const checkpoint = readCheckpointFacts(inputs.checkpoint);
    const problems = checkEvaluation(params, { images, checkpoint });
    if (images?.count === undefined) return { problems };
    const evaluations = 1 + (params.bound?.timesteps ?? 0);
    const count = Math.min(images.count, params.limit ?? images.count);
    const batch = Math.min(params.batchSize, count);
    return { problems, ...unetWork(checkpoint?.network, count * evaluations, batch) };
  },
});
