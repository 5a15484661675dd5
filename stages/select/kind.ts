import { z } from "zod";
import { readMetricsFacts } from "../../artifacts/facts.ts";
import { knownMetric } from "../../artifacts/metric_table.ts";
import { defineKind } from "../../engine/contract/stage.ts";
import { ARTIFACT_TYPES } from "../../schemas/artifacts.ts";
import { suggestName } from "../../std/did_you_mean.ts";

const inputs = {
  candidates: {
    type: ARTIFACT_TYPES,
    list: true,
    optional: true,
    description: "The candidates to rank, such as the checkpoints of a sweep or those kept at several steps; needed " +
      "for `best`",
  },
  metrics: { type: ["metrics", "log"], list: true, description: "The metrics of each candidate, or its log" },
} as const;

const outputs = {
  selection: { type: "selection", description: "All candidates with their values, the best first" },
  best: { type: "checkpoint", description: "With `best`: the best candidate itself, of the type that `best` names" },
} as const;

export const selectKind = defineKind({
  kind: "select",
  version: 3,
  entry: import.meta.resolve("./run.ts"),
  summary: "Rank candidates, such as the checkpoints of a sweep, by a metric",
  params: z.strictObject({
    metric: z.string().min(1).describe(
      "Name of the metric to rank by, such as FD-classifier; of a log a figure, such as loss, which means its last " +
        "value, or lowest loss or highest loss",
    ),
    goal: z.enum(["lowest", "highest"]).optional().describe(
      "Which value is the best; default: what is known of the metric, else the lowest",
    ),
    // No default: older selections are a ranking alone, and keep their keys.
    best: z.enum(ARTIFACT_TYPES).optional().describe(
      "Type of the candidates: the best one becomes output `best`, which other stages read; default: only the ranking",
    ),
  }),
  inputs,
  outputs,
  portsFor({ best }) {
    const { selection } = outputs;
    if (best === undefined) return { inputs, outputs: { selection } };
    return {
      inputs: { ...inputs, candidates: { ...inputs.candidates, optional: false, type: best } },
      outputs: { selection, best: { ...outputs.best, type: best } },
    };
  },
  pairs: [["candidates", "metrics"]],
  check({ metric, goal, best }, { candidates, metrics }) {
    const { names = [metric] } = readMetricsFacts(metrics) ?? {};
    const message = "the candidates have no metric of this name";
    const [wanted, fix] = [names.join(", "), suggestName(metric, names)];
    const guess = `nothing is known of "${metric}", so its lowest value counts as the best`;
    return {
      problems: !names.includes(metric)
        ? [{ param: ["metric"], message, got: metric, wanted, fix }]
        : goal === undefined && knownMetric(metric)?.best === undefined
        ? [{ severity: "warning", param: ["metric"], message: guess, fix: "write goal: lowest, or goal: highest" }]
        : [],
      ...best === undefined || candidates === undefined ? {} : { facts: { best: candidates } },
    };
  },
});
