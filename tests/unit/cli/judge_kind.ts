import { z } from "zod";
import { defineKind } from "../../../engine/contract/stage.ts";

/** A kind that writes one figure; tests give it the inputs that they need. */
export const judgeKind = defineKind({
  kind: "judge",
  version: 1,
  runs: "inline",
  entry: import.meta.resolve("./judge_run.ts"),
  summary: "A figure",
  params: z.strictObject({ value: z.number().default(1) }),
  inputs: {},
  outputs: { metrics: { type: "metrics", description: "The figure" } },
});
