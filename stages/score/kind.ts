import { scoreParams } from "../../schemas/kinds/score.ts";
import { type CheckProblem, defineKind } from "../contract.ts";
import { readImageFacts } from "../shared/facts.ts";
import { checkSets } from "./check.ts";

export const scoreKind = defineKind({
  kind: "score",
  version: 1,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "Distance between two sets of images, as the Frechet distance of their features",
  params: scoreParams,
  inputs: {
    real: { type: "images", description: "Images to compare with" },
    fake: { type: "images", description: "Images to judge" },
  },
  outputs: {
    metrics: { type: "metrics", description: "The distance, named for its features" },
  },
  check(_params, inputs): { problems: CheckProblem[] } {
    const [real, fake] = [readImageFacts(inputs.real), readImageFacts(inputs.fake)];
    return { problems: checkSets({ real, fake }) };
  },
});
