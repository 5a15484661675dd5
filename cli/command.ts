import { Command, Option } from "@commander-js/extra-typings";
import type { BuiltinKinds, Diagnostic } from "noiseline/core";
import { EXIT, Exit, printDiagnostics, printError, printJson, printLine } from "./io.ts";

/** What commands work with besides their arguments. */
export interface CliSettings {
  /** Commands that find nothing to do load none. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files of kinds that do not come with the toolkit. */
  readonly kindFiles?: readonly string[];
}

/** All commands with what they do. The module of each has its name in `commands/`, and only that of one is loaded. */
export const COMMANDS: Readonly<Record<string, string>> = {
  run: "Run what is missing or out of date",
  plan: "Show what would run, why, and about how long",
  why: "Explain why a stage would run, what follows, and how long it takes",
  status: "Show the state of each stage, the last run and what is running",
  ui: "Show runs and results in a browser, live",
  report: "Write a page of a pipeline's results",
  compare: "Compare metrics and params of pipelines, tags and runs",
  metrics: "Print the metrics of a pipeline, or write them for TensorBoard",
  graph: "Print the stages as a graph, for Mermaid or Graphviz",
  validate: "Check a pipeline file, and report every error at once",
  show: "Print every resolved value and where it comes from",
  new: "Write a new pipeline, stage or definition to start from",
  stages: "List the stage kinds, or describe one with its params",
  schema: "Print the JSON Schema of pipeline files, for editors",
  runs: "List past runs and how they ended, or show the stages of one",
  logs: "Print the log of a stage, also while it runs",
  cancel: "Cancel the jobs of a pipeline on a cluster",
  verify: "Check results by hashing, or by running a stage again",
  tag: "Name results, so that they are kept",
  export: "Write the results of a pipeline, a tag or a run to a folder",
  import: "Import all results of a folder",
  gc: "Remove old results that nothing uses",
  doctor: "Check this machine and which devices can compute on it",
  setup: "Install an optional tensor engine",
  exec: "Compute one submitted stage",
};

/** Any command, whatever its options; Commander's types differ with each option. */
// deno-lint-ignore no-explicit-any
export type AnyCommand = Command<any, any, any>;

/** What a command found: as data for `--json`, in lines for people. */
export interface Answer {
  readonly data: unknown;
  readonly lines: readonly string[];
  /** Said to people beside the output. */
  readonly diagnostics?: readonly Diagnostic[];
  readonly asides?: readonly string[];
  /** The exit code, where it is not 0. */
  readonly code?: number;
}

/** The action of a command that prints its answer when all is found. */
export function answering<A extends unknown[]>(find: (...args: A) => Answer | Promise<Answer>) {
  return async (...args: A): Promise<void> => {
    const { data, lines, diagnostics = [], asides = [], code = EXIT.done } = await find(...args);
    const { json } = args.at(-2) as { json?: true };
    if (json) printJson(data);
    else {
      printDiagnostics(diagnostics);
      lines.forEach(printLine);
      asides.forEach(printError);
    }
    if (code !== EXIT.done) throw new Exit(code);
  };
}

/** Collects a repeatable option. Without a default, which the help would show as `[]`. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

const STORE = new Option("--store <folder>", "folder of the results (default: .noiseline beside deno.json)");

/** Of commands that know clusters. A cluster names its cache. */
export const ON = new Option("--on <name>", "use the cluster described in clusters/NAME.yaml")
  .conflicts(["cache", "cacheMode"]);

/** Of commands that run code of the user's own. */
export const GRANT = new Option(
  "--grant <stage:rights>",
  "grant a custom stage more rights: net=HOST, env=NAME, native, read=PATH; or clusters/NAME.yaml: jobs=SHA256; " +
    "remembered; repeatable",
).argParser(collect);

const AS_JSON = new Option("--json", "print as JSON");

/** @param more what is to be said of it beyond its line in the list of commands */
function describedCommand(name: string, examples: string, more: string) {
  return new Command(name).description(`${COMMANDS[name]}.${more}`).addHelpText("after", `\nExamples:${examples}`);
}

/** A command that prints an answer. */
export function plainCommand(name: string, examples: string, more: string = "") {
  return describedCommand(name, examples, more).addOption(AS_JSON);
}

/** A command about a store. */
export function storeCommand(name: string, examples: string, more: string = "") {
  return describedCommand(name, examples, more).addOption(STORE).addOption(AS_JSON);
}

/** A command about the results of a pipeline or of something else. */
export function resultsCommand(name: string, examples: string, more: string = "") {
  return describedCommand(name, examples, more)
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect)
    .option("-p, --profile <name>", "apply a profile of the file; repeatable", collect)
    .addOption(STORE).addOption(AS_JSON);
}

/** A command about the pipeline in a file. */
export function pipelineCommand(name: string, examples: string, more: string = "") {
  return resultsCommand(name, examples, more).argument("<file>", "pipeline file (.yaml or .ts)");
}

/** A command about what would run. */
export function planCommand(name: string, examples: string, more: string = "") {
  return pipelineCommand(name, examples, more)
    .option("--cache <place>", "shared cache: a folder or s3://bucket/prefix (default: NOISELINE_CACHE)")
    .option("--cache-mode <mode>", "read-write, read or off (default: NOISELINE_CACHE_MODE, else read-write)");
}
