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
    const { count, repeats } = params;
    return { problems, ...drawingFacts(checkpoint, params, { count, walks: count * repeats, classes: null }) };
  },
});
