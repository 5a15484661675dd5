import type { CheckProblem } from "../contract.ts";
import type { ImageFacts } from "../shared/facts.ts";
import { differentSize } from "../shared/same_size.ts";

/** Everything that keeps two sets from being compared; what is not known is not checked. */
export function checkSets(sets: { readonly real: ImageFacts | undefined; readonly fake: ImageFacts | undefined }) {
  const problems: CheckProblem[] = [];
  for (const port of ["real", "fake"] as const) {
    const count = sets[port]?.count;
    if (count === undefined || count >= 2) continue;
    problems.push({
      severity: "error",
      input: port,
      message: "a covariance needs at least two images",
      got: `${count}`,
      wanted: "at least 2",
    });
  }
  if (sets.real !== undefined && sets.fake !== undefined) {
    const problem = differentSize("fake", sets.fake, { name: "the real ones", size: sets.real });
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}
