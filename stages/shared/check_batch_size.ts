import type { CheckProblem } from "../../contract/stage.ts";

/** A training takes its batches without putting images back. @param count undefined where only the run finds out */
export function checkBatchSize(batchSize: number, count: number | undefined): CheckProblem[] {
  if (count === undefined || batchSize <= count) return [];
  return [{
    param: ["batchSize"],
    message: "a batch needs more images than there are",
    got: `batchSize ${batchSize}, ${count} images`,
    wanted: `batchSize at most ${count}`,
    fix: `use batchSize: ${count} or less, or more images`,
  }];
}
