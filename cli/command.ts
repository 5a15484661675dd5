import { Command, Option } from "@commander-js/extra-typings";
import type { BuiltinKinds, Diagnostic } from "noiseline/core";
import { EXIT, Exit, printDiagnostics, printError, printJson, printLine } from "./io.ts";

/** What commands work with besides their arguments. */
export interface CliSettings {
  /** Commands that find nothing to do never load the kinds. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files of kinds that do not come with the toolkit. */
  readonly kindFiles?: readonly string[];
}

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

const SET = new Option("-s, --set <path=value>", "set a param, var or the seed; repeatable")
  .argParser<string[]>(collect);
const PROFILE = new Option("-p, --profile <name>", "apply a profile of the file; repeatable")
  .argParser<string[]>(collect);
const STORE = new Option("--store <folder>", "folder of the results (default: .noiseline beside deno.json)");
const CACHE = new Option(
  "--cache <place>",
  "shared cache: a folder or s3://bucket/prefix (default: NOISELINE_CACHE)",
);
const CACHE_MODE = new Option(
  "--cache-mode <mode>",
  "read-write, read or off (default: NOISELINE_CACHE_MODE, else read-write)",
);

const AS_JSON = new Option("--json", "print as JSON");

function describedCommand(name: string, description: string, examples: string) {
  return new Command(name).description(description).addHelpText("after", `\nExamples:${examples}`);
}

/** A command that prints an answer. */
export function plainCommand(name: string, description: string, examples: string) {
  return describedCommand(name, description, examples).addOption(AS_JSON);
}

/** A command about a store. */
export function storeCommand(name: string, description: string, examples: string) {
  return describedCommand(name, description, examples).addOption(STORE).addOption(AS_JSON);
}

/** A command about the results of a pipeline or of something else. */
export function resultsCommand(name: string, description: string, examples: string) {
  return describedCommand(name, description, examples)
    .addOption(SET).addOption(PROFILE).addOption(STORE).addOption(AS_JSON);
}

/** A command about the pipeline in a file. */
export function pipelineCommand(name: string, description: string, examples: string) {
  return resultsCommand(name, description, examples).argument("<file>", "pipeline file (.yaml or .ts)");
}

/** A command about what would run. */
export function planCommand(name: string, description: string, examples: string) {
  return pipelineCommand(name, description, examples).addOption(CACHE).addOption(CACHE_MODE);
}
