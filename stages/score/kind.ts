import { scoreParams } from "./params.ts";
import { type CheckProblem, defineKind } from "../../contract/stage.ts";
import { findStageDevice } from "../shared/stage_device.ts";
import { checkFigures, checkSets } from "./check.ts";

export const scoreKind = defineKind({
  kind: "score",
  version: 6,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Scores between two sets of images: FID or FD, KID, precision and recall, Inception Score",
  params: scoreParams,
  inputs: {
    real: { type: ["images", "features", "statistics"], description: "What to compare with" },
    fake: { type: ["images", "features", "statistics"], description: "What to judge" },
  },
  outputs: {
    metrics: { type: "metrics", description: "The scores, each named for its extractor" },
  },
  seeded: true,
  // Of the products of matrices: few rows are added in an order that their threads decide.
  device: ({ threads }, tryDevice) => findStageDevice({ device: "onnx", threads }, tryDevice),
  permissions: { native: ["onnxruntime-node"] },
  check(params, inputs): { problems: CheckProblem[] } {
    return { problems: [...checkFigures(params), ...checkSets(inputs)] };
  },
});
