import process from "node:process";
import { type Diagnostic, diagnosticToJson, formatDiagnostic } from "noiseline/core";
import { shown, styleFor } from "./format/style.ts";
import { asTyped } from "./program.ts";

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, invalid: 2, interrupted: 130 } as const;

/** Ends a command with an exit code after it has said what it had to say. */
export class Exit extends Error {
  override name = "Exit";

  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/** Write a line of output. */
export function printLine(line: string = ""): void {
  printText(`${line}\n`);
}

/** Write a line beside the output: progress, problems. */
export function printError(line: string): void {
  write(Deno.stderr, shown(`${line}\n`, styleFor(process.stderr)));
}

/** Write output that has its own line breaks, such as a piece of a log. */
export function printText(text: string): void {
  write(Deno.stdout, shown(text, styleFor(process.stdout)));
}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(asTyped(text));
  try {
    for (let offset = 0; offset < bytes.length;) offset += stream.writeSync(bytes.subarray(offset));
  } catch (error) {
    // The reader has left, as `head` does. What was begun goes on: a run must not die of nobody looking.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** Say everything that is wrong and end with exit code 2, or with 1 where it is the machine that failed. */
export function refuseWith(diagnostics: readonly Diagnostic[], json: boolean): never {
  if (json) {
    printJson({ ok: false, diagnostics: diagnostics.map(diagnosticToJson) });
  } else {
    printDiagnostics(diagnostics);
    const errors = diagnostics.filter(({ severity }) => severity === "error").length;
    printError(`${errors} ${errors === 1 ? "error" : "errors"}; nothing was run`);
  }
  const machine = diagnostics.some(({ code }) => code === "machine");
  throw new Exit(machine ? EXIT.failed : EXIT.invalid);
}

/** More tell no more, and would push the first out of sight. `--json` has them all. */
const MAX_SHOWN = 50;

export function printDiagnostics(diagnostics: readonly Diagnostic[]): void {
  const style = styleFor(process.stderr);
  for (const one of diagnostics.slice(0, MAX_SHOWN)) printError(`${formatDiagnostic(one, style)}\n`);
  if (diagnostics.length > MAX_SHOWN) printError(`… and ${diagnostics.length - MAX_SHOWN} more\n`);
}
