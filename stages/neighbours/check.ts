import type { NeighboursParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { checkSameSize } from "../shared/same_size.ts";

export interface NeighbourSets {
  readonly samples: ImageFacts | undefined;
  readonly training: ImageFacts | undefined;
  readonly heldOut: ImageFacts | undefined;
}

/** Everything that keeps neighbours from being found; what is not known is not checked. */
export function checkNeighbours({ nearest }: Pick<NeighboursParams, "nearest">, sets: NeighbourSets): CheckProblem[] {
  const { training } = sets;
  if (training === undefined) return [];
  const problems: CheckProblem[] = [];
  for (const port of ["samples", "heldOut"] as const) {
    problems.push(...checkSameSize(port, sets[port], { name: "the training images", size: training }));
  }
  if (training.count !== undefined && nearest > training.count) {
    problems.push({
      param: ["nearest"],
      message: "there are not that many training images",
      got: `${nearest}`,
      wanted: `at most ${training.count}`,
    });
  }
  return problems;
}
