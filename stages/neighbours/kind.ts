import { z } from "zod";
import { readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../contract/stage.ts";
import { checkMost, checkSameSize, problemsOf } from "../shared/checks.ts";
import { positiveInt } from "../shared/common_params.ts";

export const neighboursKind = defineKind({
  kind: "neighbours",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  shards: true,
  summary: "Find the training images nearest to samples, to see whether the network memorised them",
  params: z.strictObject({
    count: positiveInt(100_000).default(256).describe("Number of samples, and of held-out images, from the first on"),
    nearest: positiveInt(32).default(5).describe("Training images to show beside each sample"),
  }),
  inputs: {
    samples: { type: "images", description: "Images to look at" },
    training: { type: "images", description: "Images that the network was trained on" },
    heldOut: { type: "images", description: "Held-out images, for comparison", optional: true },
  },
  outputs: {
    metrics: { type: "metrics", description: "Distances to the nearest training image, with a picture of the nearest" },
  },
  check({ nearest }, inputs) {
    const training = readImageFacts(inputs.training);
    const sameSize = (port: "samples" | "heldOut") =>
      checkSameSize(port, readImageFacts(inputs[port]), { name: "the training images", size: training });
    return {
      problems: problemsOf(
        sameSize("samples"),
        sameSize("heldOut"),
        checkMost(["nearest"], nearest, training?.count, { message: "there are not that many training images" }),
      ),
    };
  },
});
