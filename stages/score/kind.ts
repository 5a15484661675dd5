import { scoreParams } from "../../schemas/kinds/score.ts";
import { type CheckProblem, defineKind } from "../contract.ts";
import { readImageFacts } from "../shared/facts.ts";
import { checkSets } from "./check.ts";

export const scoreKind = defineKind({
  kind: "score",
  version: 4,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Distances between two sets of images, by their features",
  params: scoreParams,
  inputs: {
    real: { type: ["images", "features", "statistics"], description: "What to compare with" },
    fake: { type: ["images", "features", "statistics"], description: "What to judge" },
  },
  outputs: {
    metrics: { type: "metrics", description: "The distances, each named for its features" },
  },
  seeded: true,
  permissions: { native: ["onnxruntime-node"] },
  check(_params, inputs): { problems: CheckProblem[] } {
    const [real, fake] = [readImageFacts(inputs.real), readImageFacts(inputs.fake)];
    return { problems: checkSets({ real, fake }) };
  },
});
