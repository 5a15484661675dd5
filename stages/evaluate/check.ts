import type { BoundParams, EvaluateParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import type { CheckpointFacts, ImageFacts } from "../../artifacts/facts.ts";
import { checkVariance } from "../shared/reverse/check_sampler.ts";
import { checkSameSize } from "../shared/same_size.ts";

/** Everything that keeps these params from measuring; what is not known is not checked. */
export function checkEvaluation(
  { buckets, limit, bound }: Pick<EvaluateParams, "buckets" | "limit" | "bound">,
  { images, checkpoint }: {
    readonly images: ImageFacts | undefined;
    readonly checkpoint: CheckpointFacts | undefined;
  },
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const tooMany = (most: number, what: string) => {
    if (buckets <= most) return;
    problems.push({
      param: ["buckets"],
      message: `more buckets than ${what}`,
      got: `${buckets}`,
      wanted: `at most ${most}`,
      fix: `use buckets: ${most} or fewer`,
    });
  };
  const counts = [images?.count, limit].filter((count) => count !== undefined);
  if (images?.count !== undefined) tooMany(Math.min(...counts), "images to fill them");
  if (checkpoint?.timesteps !== undefined) tooMany(checkpoint.timesteps, "timesteps to divide");
  if (bound !== undefined && checkpoint !== undefined) problems.push(...checkBound(bound, checkpoint));
  return problems.concat(checkSameSize("images", images, { name: "those of the checkpoint", size: checkpoint }));
}

function checkBound(
  { timesteps: wanted, variance }: BoundParams,
  { timesteps, learnedVariance }: CheckpointFacts,
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  if (timesteps !== undefined && (wanted > timesteps || wanted < Math.min(2, timesteps))) {
    problems.push({
      param: ["bound", "timesteps"],
      message: "the bound evaluates t = 0 and some of the other timesteps, each at most once",
      got: `${wanted}`,
      wanted: `2 to ${timesteps}, the timesteps of the checkpoint's schedule`,
      fix: `use timesteps: ${Math.min(timesteps, 20)}`,
    });
  }
  return problems.concat(checkVariance(["bound", "variance"], variance, learnedVariance));
}
