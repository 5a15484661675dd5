import type { SampleParams } from "./params.ts";
import type { CheckProblem } from "../../contract/stage.ts";
import { checkLabelList } from "../../artifacts/class_names.ts";
import type { CheckpointFacts } from "../../artifacts/facts.ts";

type Drawn = Pick<SampleParams, "labels" | "guidance" | "trajectory" | "count" | "batchSize">;

/** Labels and guidance that the network knows nothing of, and more film than images. */
export function checkDrawing(
  { labels, guidance, trajectory, count, batchSize }: Drawn,
  { classes, classNames }: Pick<CheckpointFacts, "classes" | "classNames">,
): CheckProblem[] {
  const problems: CheckProblem[] = [];
  const untold = (param: string, got: string) => {
    if (classes !== null) return;
    problems.push({
      param: [param],
      message: "the checkpoint is not class-conditional",
      got,
      wanted: `no ${param}`,
      fix: `remove ${param}, or train a class-conditional model with labels: {}`,
    });
  };
  if (labels !== undefined) untold("labels", JSON.stringify(labels));
  if (guidance !== 1) untold("guidance", `${guidance}`);
  if (classes && Array.isArray(labels)) problems.push(...checkLabelList(labels, { classes, classNames }));
  if (labels === "none" && guidance !== 1 && classes !== null) {
    problems.push({
      severity: "warning",
      param: ["guidance"],
      message: "without labels there is nothing to guide towards: the network is evaluated twice for the same result",
      fix: "remove guidance",
    });
  }
  const most = Math.min(count, batchSize);
  if (trajectory !== undefined && trajectory.images > most) {
    problems.push({
      param: ["trajectory", "images"],
      message: "a trajectory shows images of the first batch",
      got: `${trajectory.images}`,
      wanted: `at most ${most}, of count ${count} and batchSize ${batchSize}`,
      fix: `use images: ${most} or fewer`,
    });
  }
  return problems;
}
