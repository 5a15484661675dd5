import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../contract/stage.ts";
import { checkMost, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { checkWalk, drawingFacts } from "../shared/draw/check.ts";
import { inpaintParams } from "./params.ts";

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
    const { count, repeats } = params;
    const problems = problemsOf(
      checkWalk(
        params.sampler,
        { checkpoint, images },
        "the known part is put back after each step, which breaks what this sampler remembers of the step before",
      ),
      checkMost(["count"], count, images?.count, { message: "there are not that many images" }),
    );
    if (checkpoint === undefined) return { problems };
    return { problems, ...drawingFacts(checkpoint, params, { count, walks: count * repeats, classes: null }) };
  },
});
