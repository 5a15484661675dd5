import type { AnyCommand, CliSettings } from "./settings.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's module; only the one that is used is loaded. */
  readonly load: () => Promise<{ readonly makeCommand: (settings: CliSettings) => AnyCommand }>;
}

export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: { summary: "Reach the declared state of a pipeline", load: () => import("./commands/run.ts") },
  plan: { summary: "Show what would run, why, and about how long", load: () => import("./commands/plan.ts") },
  why: { summary: "Explain why a stage would run, value by value", load: () => import("./commands/why.ts") },
  status: { summary: "Show what is there and what is running", load: () => import("./commands/status.ts") },
  report: { summary: "Make a page of a pipeline's results", load: () => import("./commands/report.ts") },
  compare: {
    summary: "Set the results of runs or pipelines side by side",
    load: () => import("./commands/compare.ts"),
  },
  metrics: {
    summary: "Print the metrics of a pipeline, or hand them to other programs",
    load: () => import("./commands/metrics.ts"),
  },
  graph: { summary: "Print the stages as a graph, for Mermaid or Graphviz", load: () => import("./commands/graph.ts") },
  validate: { summary: "Check a pipeline file", load: () => import("./commands/validate.ts") },
  show: {
    summary: "Print the resolved pipeline with the origin of each value",
    load: () => import("./commands/show.ts"),
  },
  new: { summary: "Write a new pipeline or custom stage to start from", load: () => import("./commands/new.ts") },
  stages: { summary: "List the stage kinds, or describe one", load: () => import("./commands/stages.ts") },
  schema: { summary: "Print the JSON Schema of pipeline files", load: () => import("./commands/schema.ts") },
  runs: { summary: "Show what was run, when, and what became of it", load: () => import("./commands/runs.ts") },
  logs: { summary: "Print what a stage said, also while it runs", load: () => import("./commands/logs.ts") },
  verify: {
    summary: "Hash results again, or execute a stage again, and compare",
    load: () => import("./commands/verify.ts"),
  },
  tag: { summary: "Name the results of a pipeline, so that they are kept", load: () => import("./commands/tag.ts") },
  export: { summary: "Write results into one archive", load: () => import("./commands/export.ts") },
  import: { summary: "Take the results of an archive into the store", load: () => import("./commands/import.ts") },
  gc: { summary: "Remove results that nothing keeps", load: () => import("./commands/gc.ts") },
  doctor: { summary: "Say what this machine can do", load: () => import("./commands/doctor.ts") },
  setup: { summary: "Make an optional engine usable", load: () => import("./commands/setup.ts") },
};
