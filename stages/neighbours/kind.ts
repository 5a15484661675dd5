import { neighboursParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readImageFacts } from "../../artifacts/facts.ts";
import { checkNeighbours } from "./check.ts";

export const neighboursKind = defineKind({
  kind: "neighbours",
  version: 2,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Find the training images nearest to samples, to see whether the network memorised them",
  params: neighboursParams,
  inputs: {
    samples: { type: "images", description: "Images to look at" },
    training: { type: "images", description: "Images that the network was trained on" },
    heldOut: { type: "images", description: "Held-out images, for comparison", optional: true },
  },
  outputs: {
    metrics: { type: "metrics", description: "Distances to the nearest training image, with a picture of the nearest" },
  },
  check(params, inputs) {
    return {
      problems: checkNeighbours(params, {
        samples: readImageFacts(inputs.samples),
        training: readImageFacts(inputs.training),
        heldOut: readImageFacts(inputs.heldOut),
      }),
    };
  },
});
