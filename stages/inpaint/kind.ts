import { readCheckpointFacts, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../contract/stage.ts";
import { checkMost, problemsOf } from "../shared/checks.ts";
import { findStageDevice } from "../shared/device.ts";
import { checkWalk, drawingFacts } from "../shared/draw/check.ts";
import { inpaintParams } from "./params.ts";

export const inpaintKind = defineKind({
  kind: "inpaint",
  version: 2,
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
    const { count, repeats } = params;
    const problems = problemsOf(
      checkWalk(
        params.sampler,
        { checkpoint, images },
        "the known part is put back after each step, which invalidates this sampler's history",
      ),
      checkMost(["count"], count, images?.count, { message: "there are not that many images" }),
    );
    if (checkpoint === undefined) return { problems };
    return { problems, ...drawingFacts(checkpoint, params, { count, walks: count * repeats, classes: null }) };
  },
});
