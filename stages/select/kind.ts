import { z } from "zod";
import { defineKind } from "../../contract/stage.ts";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";

export const selectKind = defineKind({
  kind: "select",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  summary: "Rank candidates, such as the checkpoints of a sweep, by a metric",
  params: z.strictObject({
    metric: z.string().min(1).describe("Name of the metric to rank by, such as FD-classifier"),
    goal: z.enum(["lowest", "highest"]).default("lowest").describe("Which value is the best"),
  }),
  inputs: {
    candidates: {
      type: ARTIFACT_TYPES,
      list: true,
      description: "The candidates to rank, such as the checkpoints of a sweep",
    },
    metrics: { type: "metrics", list: true, description: "The metrics of each candidate" },
  },
  outputs: {
    selection: { type: "selection", description: "All candidates with their values, the best first" },
  },
  pairs: [["candidates", "metrics"]],
});
