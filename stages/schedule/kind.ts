import { scheduleParams } from "./params.ts";
import { defineKind } from "../../contract/stage.ts";
import { checkSchedule } from "./check.ts";

export const scheduleKind = defineKind({
  kind: "schedule",
  version: 2,
  runs: "inline",
  entry: import.meta.resolve("./run.ts"),
  summary: "A noise schedule: how much noise each timestep adds, and all tables derived from it",
  params: scheduleParams,
  inputs: {},
  outputs: {
    schedule: { type: "schedule", description: "Betas and all derived tables in float64, with a plot" },
  },
  check: checkSchedule,
});
