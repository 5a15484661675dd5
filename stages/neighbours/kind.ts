import { z } from "zod";
import { type ImageFacts, numbersIn, readImageFacts } from "../../artifacts/facts.ts";
import { defineKind } from "../../engine/contract/stage.ts";
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
  check({ nearest, count }, inputs) {
    const [training, samples, heldOut] = [inputs.training, inputs.samples, inputs.heldOut].map(readImageFacts);
    const sameSize = (port: "samples" | "heldOut") =>
      checkSameSize(port, readImageFacts(inputs[port]), { name: "the training images", size: training });
    return {
      problems: problemsOf(
        sameSize("samples"),
        sameSize("heldOut"),
        checkMost(["nearest"], nearest, training?.count, { message: "there are not that many training images" }),
      ),
      ...comparing(
        [samples, ..."heldOut" in inputs ? [heldOut] : []].map((set) => Math.min(count, set?.count ?? NaN)),
        training,
      ),
    };
  },
});

/**
 * Returns the work of comparing numbers of images with all training images, in full: most comparisons end early, and a
 * past run tells how early. Returns nothing if only the run finds out.
 */
export function comparing(counts: readonly number[], training: ImageFacts | undefined) {
  const pairs = counts.reduce((sum, count) => sum + count, 0) * (training?.count ?? NaN);
  const size = numbersIn(training, 1);
  return Number.isNaN(pairs) || size === 0 ? {} : { workGflop: 3 * pairs * size / 1e9, workShape: [size] };
}
