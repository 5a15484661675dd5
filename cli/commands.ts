import { importLate } from "noiseline/core";
import type { AnyCommand, CliSettings } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's module; only the one that is used is loaded. */
  readonly load: () => Promise<{ readonly makeCommand: (settings: CliSettings) => AnyCommand }>;
}

const SUMMARIES: Readonly<Record<string, string>> = {
  run: "Reach the declared state of a pipeline",
  plan: "Show what would run, why, and about how long",
  why: "Explain why a stage would run, value by value",
  status: "Show what is there and what is running",
  report: "Make a page of a pipeline's results",
  compare: "Set the results of runs or pipelines side by side",
  metrics: "Print the metrics of a pipeline, or hand them to other programs",
  graph: "Print the stages as a graph, for Mermaid or Graphviz",
  validate: "Check a pipeline file",
  show: "Print the resolved pipeline with the origin of each value",
  new: "Write a new pipeline or custom stage to start from",
  stages: "List the stage kinds, or describe one",
  schema: "Print the JSON Schema of pipeline files",
  runs: "Show what was run, when, and what became of it",
  logs: "Print what a stage said, also while it runs",
  verify: "Hash results again, or execute a stage again, and compare",
  tag: "Name the results of a pipeline, so that they are kept",
  export: "Write results into a folder",
  import: "Take the results of a folder into the store",
  gc: "Remove results that nothing keeps",
  doctor: "Say what this machine can do",
  setup: "Make an optional engine usable",
};

/** A command's module has the command's name. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = Object.fromEntries(
  Object.entries(SUMMARIES).map(([name, summary]) => [name, {
    summary,
    load: () => importLate(import.meta.resolve(`./commands/${name}.ts`)),
  }]),
);
