import { featuresParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { readImageFacts } from "../../artifacts/facts.ts";
import { INCEPTION, INCEPTION_GFLOP, inceptionName } from "../shared/inception.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkFeatures } from "./check.ts";
import { extractorDownloads } from "./downloads.ts";

export const featuresKind = defineKind({
  kind: "features",
  version: 3,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Extract a feature vector from each image, for FID and other scores",
  params: featuresParams,
  inputs: {
    images: { type: "images", description: "Images to map" },
    classifier: { type: "classifier", description: "The network, for extractor classifier", optional: true },
  },
  outputs: {
    features: { type: "features", description: "One feature vector per image" },
  },
  permissions: { native: ["onnxruntime-node"] },
  // A graph is run by ONNX Runtime on the CPU, whatever computes the rest.
  device: (params, tryDevice) =>
    findStageDevice(params.extractor === "onnx" ? { ...params, device: "onnx" } : params, tryDevice),
  downloads: extractorDownloads,
  check(params, inputs) {
    const images = readImageFacts(inputs.images);
    const count = images?.count === undefined ? undefined : Math.min(images.count, params.limit ?? images.count);
    const overInception = params.extractor === INCEPTION;
    const extractor = overInception ? inceptionName(params.sha256) : params.extractor;
    return {
      problems: checkFeatures(params, { images, classifier: inputs.classifier }),
      facts: {
        features: {
          ...images,
          // What a graph is called is seen when it is run.
          ...(extractor === "onnx" ? {} : { extractor }),
          ...(overInception ? { resize: params.resize ?? "tensorflow" } : {}),
          ...(count === undefined ? {} : { count }),
        },
      },
      ...(overInception && count !== undefined ? { workGflop: count * INCEPTION_GFLOP } : {}),
    };
  },
});
