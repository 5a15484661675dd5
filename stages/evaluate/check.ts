import type { EvaluateParams } from "../../schemas/kinds/evaluate.ts";
import type { CheckProblem } from "../contract.ts";
import type { CheckpointFacts, ImageFacts } from "../shared/facts.ts";
import { differentSize } from "../shared/same_size.ts";

/** Everything that keeps these params from measuring; what is not known is not checked. */
export function checkEvaluation(
  { buckets, limit }: Pick<EvaluateParams, "buckets" | "limit">,
  { images, checkpoint }: {
    readonly images: ImageFacts | undefined;
    readonly checkpoint: CheckpointFacts | undefined;
  },
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const tooMany = (most: number, what: string) => {
    if (buckets <= most) return;
    problems.push({
      severity: "error",
      param: ["buckets"],
      message: `more buckets than ${what}`,
      got: `${buckets}`,
      wanted: `at most ${most}`,
      fix: `use buckets: ${most} or fewer`,
    });
  };
  if (images !== undefined) tooMany(Math.min(images.count, limit ?? images.count), "images to fill them");
  if (checkpoint?.timesteps !== undefined) tooMany(checkpoint.timesteps, "timesteps to divide among them");
  if (images !== undefined && checkpoint !== undefined) {
    const problem = differentSize("images", images, { name: "those of the checkpoint", size: checkpoint });
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}
