import { defineKind } from "../../contract/stage.ts";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";
import { selectParams } from "./params.ts";

export const selectKind = defineKind({
  kind: "select",
  version: 2,
  entry: import.meta.resolve("./run.ts"),
  summary: "Rank candidates, such as the checkpoints of a sweep, by a metric",
  params: selectParams,
  inputs: {
    candidates: {
      type: ARTIFACT_TYPES,
      list: true,
      description: "What to rank, such as the checkpoints of a sweep",
    },
    metrics: { type: "metrics", list: true, description: "The metrics of each candidate" },
  },
  outputs: {
    selection: { type: "selection", description: "All candidates with their values, the best first" },
  },
  pairs: [["candidates", "metrics"]],
});
