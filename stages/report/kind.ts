import { reportParams } from "../../schemas/kinds/report.ts";
import { defineKind } from "../contract.ts";

const list = { list: true, optional: true } as const;

export const reportKind = defineKind({
  kind: "report",
  version: 3,
  runs: "process",
  entry: import.meta.resolve("./run.ts"),
  summary: "One HTML page of an experiment: curves, samples, scores, with all that is needed to trust them",
  params: reportParams,
  inputs: {
    metrics: { type: "metrics", description: "Scores and losses", ...list },
    samples: { type: "samples", description: "Images that were drawn", ...list },
    logs: { type: "log", description: "Logs of trainings", ...list },
    schedules: { type: "schedule", description: "Noise schedules", ...list },
  },
  outputs: {
    report: { type: "report", description: "report.html, which opens from disk without a network" },
  },
});
