import type { InterchangeProblem } from "../../diffusion/interchange/problem.ts";
import type { Objective } from "../../diffusion/objective.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import type { ScheduleFacts } from "../../artifacts/facts.ts";

/** What keeps a network with this objective from drawing on such a chain; what is not known is not checked. */
export function checkPrediction(
  { objective }: { readonly objective: Objective },
  schedule: Pick<ScheduleFacts, "zeroTerminalSnr"> | undefined,
): (CheckProblem & InterchangeProblem)[] {
  if (objective !== "eps" || schedule?.zeroTerminalSnr !== true) return [];
  return [{
    input: "schedule",
    message: "a network that predicts the noise cannot use a schedule that ends in pure noise: the noise at its last " +
      "timestep says nothing about the image, and sampling starts there",
    got: "a signal-to-noise ratio of 0 at the last timestep",
    wanted: "some signal at every timestep",
    fix: "train with objective: v or x0; or leave out zeroTerminalSnr, and use a schedule other than ho/jsd",
  }];
}
