import { z } from "zod";
import { type ImageFacts, readImageFacts } from "../../artifacts/facts.ts";
import { type CheckProblem, defineKind } from "../../engine/contract/stage.ts";
import { execution } from "../../schemas/roles.ts";
import { checkBatchSize, checkSameClasses, checkSameSize, problemsOf } from "../shared/checks.ts";
import { longRunningParams, positiveInt } from "../shared/common_params.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { findStageDevice } from "../shared/device.ts";

export const classifierKind = defineKind({
  kind: "classifier",
  version: 6,
  entry: import.meta.resolve("./run.ts"),
  summary: "Train a small classifier on labelled images, as an extractor of features",
  params: z.strictObject({
    base: positiveInt(512).default(32).describe("Channels of the first layer; features have four times as many"),
    steps: positiveInt(10_000_000).default(600).describe("Training steps"),
    batchSize: positiveInt(65_536).default(64).describe("Images per step"),
    learningRate: z.number().positive().max(1).default(1e-3).describe("Learning rate of Adam"),
    checkpointEvery: execution(
      positiveInt(10_000_000).optional().describe("Also save for resuming every so many steps; default: by time only"),
    ),
    ...longRunningParams(),
  }),
  inputs: {
    images: { type: "images", description: "Labelled images to train on" },
    test: { type: "images", description: "Held-out images with labels, for its accuracy", optional: true },
  },
  outputs: {
    classifier: { type: "classifier", description: "The network, for features" },
    metrics: { type: "metrics", description: "Its accuracy, on the held-out images if there are any" },
  },
  seeded: true,
  device: findStageDevice,
  check(params, inputs) {
    const [images, test] = [readImageFacts(inputs.images), readImageFacts(inputs.test)];
    const problems = problemsOf(
      checkLabelled("images", images),
      checkLabelled("test", test),
      checkBatchSize(params.batchSize, images?.count),
      checkSameSize("test", test, { name: "those to learn from", size: images }),
      checkSameClasses("test", test, { name: "those to learn from", labels: images }),
    );
    const metrics = { names: ["accuracy"] };
    if (!images?.classes) return { problems, facts: { metrics } };
    const { height, width, channels, dtype, classes } = images;
    const classifier = { ...definedOnly({ height, width, channels, dtype }), classes, dimension: 4 * params.base };
    return { problems, facts: { classifier, metrics } };
  },
});

/** Reports images without labels. Images without facts are not checked. */
function checkLabelled(input: string, images: ImageFacts | undefined): CheckProblem[] {
  if (images?.classes !== null) return [];
  return [{
    input,
    message: "a classifier needs labels, and these images have none",
    got: "images without labels",
    wanted: "a data set with labels",
    fix: "use a data set with labels, or another extractor",
  }];
}
