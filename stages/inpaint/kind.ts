import { inpaintParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { drawingFacts } from "../shared/reverse/sampler_evaluations.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkInpainting } from "./check.ts";

export const inpaintKind = defineKind({
  kind: "inpaint",
  version: 2,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Inpaint a region of images",
  params: inpaintParams,
  inputs: {
    checkpoint: { type: "checkpoint", description: "The network to sample from" },
    images: { type: "images", description: "Images to inpaint" },
  },
  outputs: {
    samples: { type: "samples", description: "The inpainted images, with a picture of both versions" },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const [checkpoint, images] = [readCheckpointFacts(inputs.checkpoint), readImageFacts(inputs.images)];
    const problems = checkInpainting(params, { checkpoint, images });
    if (checkpoint === undefined) return { problems };
    const { count, repeats } = params;
    return { problems, ...drawingFacts(checkpoint, params, { count, walks: count * repeats, classes: null }) };
  },
});
