import { importLate } from "noiseline/core";
import type { AnyCommand, CliSettings } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's module; only the one that is used is loaded. */
  readonly load: () => Promise<{ readonly makeCommand: (settings: CliSettings) => AnyCommand }>;
}

const SUMMARIES: Readonly<Record<string, string>> = {
  run: "Run what is missing or out of date",
  plan: "Show what would run, why, and about how long",
  why: "Explain why a stage would run, value by value",
  status: "Show the state of each stage and what is running",
  report: "Write a page of a pipeline's results",
  compare: "Compare the results of runs or pipelines",
  metrics: "Print the metrics of a pipeline, or write them for TensorBoard",
  graph: "Print the stages as a graph, for Mermaid or Graphviz",
  validate: "Check a pipeline file",
  show: "Print every resolved value and where it comes from",
  new: "Write a new pipeline or custom stage to start from",
  stages: "List the stage kinds, or describe one",
  schema: "Print the JSON Schema of pipeline files",
  runs: "List past runs and how they ended",
  logs: "Print the log of a stage, also while it runs",
  verify: "Check results by hashing, or by running a stage again",
  tag: "Name results, so that they are kept",
  export: "Write results to a folder",
  import: "Import results from a folder",
  gc: "Remove old results that nothing uses",
  doctor: "Check the devices of this machine",
  setup: "Install an optional tensor engine",
};

/** A command's module has the command's name. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = Object.fromEntries(
  Object.entries(SUMMARIES).map(([name, summary]) => [name, {
    summary,
    load: () => importLate(import.meta.resolve(`./commands/${name}.ts`)),
  }]),
);
