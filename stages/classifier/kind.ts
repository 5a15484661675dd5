import { classifierParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readImageFacts } from "../../artifacts/facts.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkClassifier } from "./check.ts";

export const classifierKind = defineKind({
  kind: "classifier",
  version: 2,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Train a small classifier on labelled images, as an extractor of features",
  params: classifierParams,
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
    const problems = checkClassifier(params, { images, test });
    if (!images?.classes) return { problems };
    const { height, width, channels, classes } = images;
    return { problems, facts: { classifier: { height, width, channels, classes, dimension: 4 * params.base } } };
  },
});
