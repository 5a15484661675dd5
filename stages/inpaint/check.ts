import type { InpaintParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import { checkWalk, type WalkFacts } from "../shared/reverse/check_walk.ts";

/** Everything that keeps a part from being painted; what is not known is not checked. */
export function checkInpainting(
  { sampler, count }: Pick<InpaintParams, "sampler" | "count">,
  { checkpoint, images }: WalkFacts,
): CheckProblem[] {
  const why = "the known part is put back after each step, which invalidates this sampler's history";
  const problems = checkWalk(sampler, { checkpoint, images }, why);
  if (images?.count !== undefined && count > images.count) {
    problems.push({
      param: ["count"],
      message: "there are not that many images",
      got: `${count}`,
      wanted: `at most ${images.count}`,
      fix: `use count: ${images.count}`,
    });
  }
  return problems;
}
