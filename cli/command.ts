import { Command, Option } from "@commander-js/extra-typings";
import type { BuiltinKinds, Diagnostic } from "noiseline/core";
import manifest from "../deno.json" with { type: "json" };
import { EXIT, Exit, printDiagnostics, printError, printJson, printLine } from "./io.ts";

/** The inputs of all commands besides their arguments. */
export interface CliSettings {
  /** Loads the built-in kinds. A command that finds everything up to date does not call it. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files that define kinds which are not built in. */
  readonly kindFiles?: readonly string[];
}

type Tasks = Readonly<Record<string, { readonly command?: string; readonly description: string }>>;

/**
 * Descriptions of all commands by name, read from the clone's tasks. Each command's module has its name in `commands/`,
 * and only the module of the called command is loaded.
 */
export const COMMANDS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(manifest.tasks as Tasks)
    .filter(([name, { command }]) => command === `deno run -A cli/main.ts ${name}`)
    .map(([name, { description }]) => [name, description]),
);

/** Any command, whatever its options; Commander's types differ with each option. */
// deno-lint-ignore no-explicit-any
export type AnyCommand = Command<any, any, any>;

/** A command's result: data for `--json`, and lines for people. */
export interface Answer {
  readonly data: unknown;
  readonly lines: readonly string[];
  /** Printed for people on standard error, apart from the output. */
  readonly diagnostics?: readonly Diagnostic[];
  readonly notices?: readonly string[];
  /** The exit code, if it is not 0. */
  readonly code?: number;
}

/** Returns the action of a command that prints its answer once `find` has returned it. */
export function printingAnswer<A extends unknown[]>(find: (...args: A) => Answer | Promise<Answer>) {
  return async (...args: A): Promise<void> => {
    const { data, lines, diagnostics = [], notices = [], code = EXIT.done } = await find(...args);
    const { json } = args.at(-2) as { json?: true };
    if (json) printJson(data);
    else {
      printDiagnostics(diagnostics);
      lines.forEach(printLine);
      notices.forEach(printError);
    }
    if (code !== EXIT.done) throw new Exit(code);
  };
}

/** Collects the values of a repeatable option. It has no default, because the help would show that as `[]`. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

const STORE = new Option("--store <folder>", "store; outputs/ lies beside it (default: .noiseline beside deno.json)");

/** The option of commands that know clusters. A cluster names its own cache, so the cache options conflict with it. */
export const ON = new Option("--on <name>", "use the cluster described in clusters/NAME.yaml")
  .conflicts(["cache", "cacheMode"]);

/** The option of commands that run user code. */
export const GRANT = new Option(
  "--grant <stage:rights>",
  "grant a custom stage more rights: net=HOST, env=NAME, native, read=PATH, run=PROGRAM; or clusters/NAME.yaml: jobs=SHA256; " +
    "remembered; repeatable",
).argParser(collect);

const AS_JSON = new Option("--json", "print as JSON");

/** @param more text that follows the command's line in the list of commands */
function describedCommand(name: string, examples: string, more: string) {
  return new Command(name).description(`${COMMANDS[name]}.${more}`).addHelpText("after", `\nExamples:${examples}`);
}

/** Returns a command that prints an answer. */
export function plainCommand(name: string, examples: string, more: string = "") {
  return describedCommand(name, examples, more).addOption(AS_JSON);
}

/** Returns a command that works on a store. */
export function storeCommand(name: string, examples: string, more: string = "") {
  return describedCommand(name, examples, more).addOption(STORE).addOption(AS_JSON);
}

/** Returns a command that works on the results of a pipeline, a tag or a run. */
export function resultsCommand(name: string, examples: string, more: string = "") {
  return describedCommand(name, examples, more)
    .option("-s, --set <path=value>", "set a param, var or the seed; repeatable", collect)
    .option("-p, --profile <name>", "apply a profile of the file; repeatable", collect)
    .addOption(STORE).addOption(AS_JSON);
}

/** Returns a command that works on the pipeline in a file. */
export function pipelineCommand(name: string, examples: string, more: string = "") {
  return resultsCommand(name, examples, more).argument("<file>", "pipeline file (.yaml or .ts)");
}

/** Returns a command that works on the plan of a pipeline. */
export function planCommand(name: string, examples: string, more: string = "") {
  return pipelineCommand(name, examples, more)
    .option("--cache <place>", "shared cache: a folder or s3://bucket/prefix (default: NOISELINE_CACHE)")
    .option("--cache-mode <mode>", "read-write, read or off (default: NOISELINE_CACHE_MODE, else read-write)");
}
