import { defineKind } from "../../contract/stage.ts";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";
import { selectParams } from "./params.ts";

export const selectKind = defineKind({
  kind: "select",
  version: 1,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "The best of several candidates by one of their metrics",
  params: selectParams,
  inputs: {
    candidates: {
      type: ARTIFACT_TYPES,
      list: true,
      description: "What to choose from, such as checkpoints of a sweep",
    },
    metrics: { type: "metrics", list: true, description: "For each candidate the record that it is judged by" },
  },
  outputs: {
    selection: { type: "selection", description: "All candidates with their values, the best first" },
  },
  slots: { prefix: "best", count: "keep", of: "candidates", ranking: "selection" },
  pairs: [["candidates", "metrics"]],
  check({ keep }, { candidates }) {
    if (candidates === undefined) return { problems: [] };
    const slots = Array.from({ length: keep }, (_, i) => [`best${i + 1}`, candidates]);
    return { problems: [], facts: Object.fromEntries(slots) };
  },
});
