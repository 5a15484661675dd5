import { inpaintParams } from "../../schemas/kinds/inpaint.ts";
import { defineKind } from "../contract.ts";
import { readCheckpointFacts, readImageFacts } from "../shared/facts.ts";
import { evaluationsOf } from "../shared/reverse/sampler_evaluations.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { unetWork } from "../shared/unet_work.ts";
import { checkInpainting } from "./check.ts";

export const inpaintKind = defineKind({
  kind: "inpaint",
  version: 2,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Paint a part of images anew, to fit the rest of them",
  params: inpaintParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network that draws" },
    images: { type: "images", description: "Images that keep the rest" },
  },
  outputs: {
    samples: { type: "samples", description: "The images with the part painted anew, with a picture beside the old" },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const [checkpoint, images] = [readCheckpointFacts(inputs.checkpoint), readImageFacts(inputs.images)];
    const problems = checkInpainting(params, { checkpoint, images });
    if (checkpoint === undefined) return { problems };
    const { height, width, channels, timesteps, network } = checkpoint;
    const { count, repeats } = params;
    const facts = { samples: { count, height, width, channels, classes: null } };
    if (timesteps === undefined) return { problems, facts };
    const passes = count * repeats * evaluationsOf(params.sampler, timesteps);
    return { problems, facts, ...unetWork(network, passes, params.batchSize) };
  },
});
