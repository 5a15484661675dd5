import { Command, CommanderError } from "@commander-js/extra-typings";
import {
  didYouMean,
  explainIoError,
  hashing,
  importLate,
  nearestConfig,
  readTextIfThere,
  shellWord,
  suggestName,
} from "noiseline/core";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type AnyCommand, type CliSettings, COMMANDS } from "./command.ts";
import { EXIT, Exit, printError, printLine, tellOfHashing } from "./io.ts";
import { namesPipeline } from "./open.ts";
import { programIn, TOOLKIT, VERSION } from "../package/program.ts";

const EXAMPLES = `
Examples:
  deno task run pipelines/digits.yaml
  deno task plan pipelines/digits.yaml
  deno task run pipelines/digits.yaml --set train.steps=1400
  deno task why pipelines/digits.yaml train

Exit codes: 0 done, 1 a stage failed, 2 invalid input, 130 interrupted and resumable.`;

/** Makes the program with one command loaded, or with only the names of all commands, for the help. */
async function makeProgram(name: string | undefined, settings: CliSettings): Promise<Command> {
  const program = new Command().name(programIn(Deno.cwd()).map(shellWord).join(" ")).version(VERSION)
    .description("Cached, declarative pipelines for diffusion-model experiments.").addHelpText("after", EXAMPLES);
  if (name === undefined) {
    for (const [known, summary] of Object.entries(COMMANDS)) program.command(known).summary(summary);
  } else {
    const file = import.meta.resolve(`./commands/${name}.ts`);
    const { makeCommand } = await importLate<{ makeCommand: (settings: CliSettings) => AnyCommand }>(file);
    program.addCommand(makeCommand(settings));
  }
  for (const one of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    one.exitOverride().showSuggestionAfterError(false).configureOutput({
      writeOut: (text) => printLine(text.trimEnd()),
      writeErr: (text) => printError(text.trimEnd()),
      outputError: (text, write) => write(`${text}  fix:    ${fixFor(one as AnyCommand, text)}`),
    });
  }
  return program;
}

/** Returns the fix for a command line that Commander refuses. */
function fixFor(command: AnyCommand, error: string): string {
  const [, what, written] = /unknown (option|command) '(?:--)?([^'=]+)/.exec(error) ?? [];
  const options = [...command.options.map(({ long }) => long ?? ""), "--help"].map((long) => long.slice(2));
  const known: readonly string[] = what === "option" ? options : command.commands.map((one) => one.name());
  const near = written === undefined ? undefined : didYouMean(written, known);
  if (near !== undefined) return `did you mean ${what === "option" ? "--" : ""}${near}?`;
  const names = [command.parent, command].flatMap((one) => one?.parent ? [one.name()] : []);
  const isParam = what === "option" && /^\w{2}/.test(written!) && options.includes("set");
  const param = isParam ? `; a param of a stage is set by --set <stage>.${written}=<value>` : "";
  return `see \`${[...names, "--help"].join(" ")}\`${param}`;
}

/**
 * Returns the exit for an error that can occur in any call, such as a full disk, where a stack trace would only hide
 * the message.
 */
function exitFor(error: unknown): Exit | undefined {
  const trouble = explainIoError(error);
  return trouble && new Exit(trouble.code === "machine" ? EXIT.failed : EXIT.invalid, [trouble]);
}

async function loadKinds() {
  return (await importLate<typeof import("noiseline/kinds")>("noiseline/kinds")).BUILTIN_KINDS;
}

/**
 * Runs the command line and prints everything itself.
 * @param begin called first, so that its errors are printed like those of a command
 * @returns the exit code
 */
export async function main(
  args: readonly string[],
  settings: CliSettings = { loadKinds },
  begin = () => {},
): Promise<number> {
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  const name = first === "help" ? second : first;
  if (name !== undefined && !Object.hasOwn(COMMANDS, name)) {
    printError(`error: unknown command "${name}"\n  fix:    ${suggestName(name, Object.keys(COMMANDS))}`);
    return EXIT.invalid;
  }
  let json = false;
  hashing.tell = tellOfHashing;
  try {
    begin();
    const program = await makeProgram(name, settings);
    program.hook("preAction", (_, command) => void (json = "json" in command.opts()));
    if (args.length === 0) program.help();
    await program.parseAsync([...args], { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.invalid;
    const end = error instanceof Exit ? error : exitFor(error);
    if (end === undefined) printError(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
    try {
      end?.print(json);
    } catch (untold) {
      // If the output cannot be written, the error is printed to standard error.
      exitFor(untold)?.print(false);
    }
    return end?.code ?? EXIT.failed;
  }
}

/**
 * Returns the folder that arguments are relative to. `deno task` starts a command beside its deno.json and stores the
 * user's folder in INIT_CWD. A script in between may have changed the folder since, or may name files relative to the
 * deno.json.
 */
export function folderMeant(args: readonly string[], cwd: string, start: string): string {
  const isOnlyIn = (folder: string, other: string) => (name: string) =>
    /[./]/.test(name) && existsSync(resolve(folder, name)) && !existsSync(resolve(other, name));
  const config = nearestConfig(start);
  if (config === undefined || dirname(config) !== cwd) {
    // `deno task --config` of the clone, from anywhere.
    return resolve(TOOLKIT) === cwd && args.some(isOnlyIn(start, cwd)) ? start : cwd;
  }
  const words = new Set(readTextIfThere(config)?.split(/[\s"'=]+/));
  return args.some((one) => isOnlyIn(cwd, start)(one) || namesPipeline(one) && words.has(one)) ? cwd : start;
}

/** Prepares the process for a command. Throws if the system says that a folder cannot be named. */
function prepareProcess(): void {
  // A parent may ignore the first signal, and the system then tells nobody how a child has ended. The second would end
  // this process where a file grows beyond the shell's limit; with a listener the write fails instead.
  if (Deno.build.os !== "windows") {
    for (const name of ["SIGCHLD", "SIGXFSZ"] as const) Deno.addSignalListener(name, () => {});
  }
  const start = Deno.env.get("INIT_CWD");
  if (start !== undefined) Deno.chdir(folderMeant(Deno.args, Deno.cwd(), start));
  // Child processes must not take INIT_CWD for the folder in which the user started them.
  Deno.env.delete("INIT_CWD");
}

if (import.meta.main) Deno.exit(await main(Deno.args, undefined, prepareProcess));
