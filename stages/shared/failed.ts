import type { CheckProblem, StageEnd } from "../../contract/stage.ts";

/** Whether it keeps the stage from running, and is no mere warning. */
export function isError({ severity }: CheckProblem): boolean {
  return severity !== "warning";
}

/** A problem that a check could not see before the inputs existed, as the end of a run. */
export function failedBy({ message, got, wanted, fix }: CheckProblem): StageEnd {
  const details = [got === undefined ? [] : `got ${got}`, wanted === undefined ? [] : `wanted ${wanted}`].flat();
  return {
    status: "failed",
    message: details.length === 0 ? message : `${message}: ${details.join(", ")}`,
    ...(fix === undefined ? {} : { fix }),
  };
}
