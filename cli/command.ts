import { Command, Option } from "@commander-js/extra-typings";
import type { BuiltinKinds, Diagnostic } from "noiseline/core";
import manifest from "../deno.json" with { type: "json" };
import { EXIT, Exit, printDiagnostics, printError, printJson, printLine } from "./io.ts";

/** What commands work with besides their arguments. */
export interface CliSettings {
  /** Commands that find nothing to do load none. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files of kinds that do not come with the toolkit. */
  readonly kindFiles?: readonly string[];
}

type Tasks = Readonly<Record<string, { readonly command?: string; readonly description: string }>>;

/** All commands with what they do, as the clone's tasks. The module of each has its name in `commands/`, and only that of one is loaded. */
export const COMMANDS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(manifest.tasks as Tasks)
    .filter(([name, { command }]) => command === `deno run -A cli/main.ts ${name}`)
    .map(([name, { description }]) => [name, description]),
);

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

const STORE = new Option("--store <folder>", "store; outputs/ lies beside it (default: .noiseline beside deno.json)");

/** Of commands that know clusters. A cluster names its cache. */
export const ON = new Option("--on <name>", "use the cluster described in clusters/NAME.yaml")
  .conflicts(["cache", "cacheMode"]);

/** Option of commands that run user code. */
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
