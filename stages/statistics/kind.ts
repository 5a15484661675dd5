import { statisticsParams } from "../../schemas/kinds/statistics.ts";
import { type CheckProblem, defineKind } from "../contract.ts";
import { findStageDevice } from "../shared/stage_device.ts";

export const statisticsKind = defineKind({
  kind: "statistics",
  version: 1,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Mean and covariance of features, in the file that pytorch-fid writes and reads",
  params: statisticsParams,
  inputs: {
    features: { type: "features", description: "What to take the moments of", optional: true },
  },
  outputs: {
    statistics: { type: "statistics", description: "mu and sigma, float64" },
  },
  permissions: { native: ["onnxruntime-node"] },
  device: ({ threads }) => findStageDevice({ device: "onnx", threads }),
  check({ path, extractor, count }): { problems: CheckProblem[] } {
    if (path === undefined || (extractor !== undefined && count !== undefined)) return { problems: [] };
    return {
      problems: [{
        param: ["path"],
        message: "a file of mu and sigma does not say what made it, nor of how many images",
        wanted: "extractor and count",
        fix: "add extractor: inception-2015-12-05, count: 50000 or whatever they are",
      }],
    };
  },
});
