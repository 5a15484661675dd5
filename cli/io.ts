import process from "node:process";
import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import { type Diagnostic, diagnosticToJson, formatDiagnostic, printable, type Result } from "noiseline/core";
import { countOf } from "../std/count_of.ts";
import { withTypedCommands } from "../package/program.ts";

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, invalid: 2, interrupted: 130 } as const;

/** Ends a command with an exit code and diagnostics, which are printed as text, or as JSON if that was asked for. */
export class Exit extends Error {
  override name = "Exit";

  /** @param closing a line below the diagnostics */
  constructor(readonly code: number, readonly diagnostics: readonly Diagnostic[] = [], readonly closing?: string) {
    super(`exit ${code}`);
  }

  print(json: boolean): void {
    if (this.diagnostics.length === 0) return;
    if (json) return printJson({ ok: false, diagnostics: this.diagnostics.map(diagnosticToJson) });
    printDiagnostics(this.diagnostics);
    if (this.closing !== undefined) printError(this.closing);
  }
}

/** Ends the command with all errors and exit code 2, or 1 if the machine failed. */
export function refuseWith(diagnostics: readonly Diagnostic[]): never {
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const code = diagnostics.some(({ code }) => code === "machine") ? EXIT.failed : EXIT.invalid;
  throw new Exit(code, diagnostics, `${countOf(errors, "error")}; nothing was run`);
}

/**
 * Ends the command with exit code 1 if something that the arguments name does not exist yet, or 2 if a file is
 * unreadable.
 */
export function failWith(diagnostics: readonly Diagnostic[]): never {
  throw new Exit(diagnostics.some(({ code }) => code === "file-unreadable") ? EXIT.invalid : EXIT.failed, diagnostics);
}

/** Returns the value, or ends the command with the diagnostics. */
export function valueOf<T>(result: Result<T>, end: (diagnostics: readonly Diagnostic[]) => never = refuseWith): T {
  return result.ok ? result.value : end(result.diagnostics);
}

export function problem(message: string, fix: string): Diagnostic {
  return { severity: "error", code: "check", message, fix };
}

/** Ends the command with exit code 2 and one error. */
export function refuse(message: string, fix: string): never {
  refuseWith([problem(message, fix)]);
}

/** Ends the command with exit code 1, because something that was asked for does not exist yet. */
export function fail(message: string, fix: string): never {
  failWith([problem(message, fix)]);
}

/** Writes a line to standard output. */
export function printLine(line: string = ""): void {
  printText(`${line}\n`);
}

/** Writes a line to standard error: progress, problems. */
export function printError(line: string): void {
  write(Deno.stderr, shown(`${line}\n`, styleFor(process.stderr)));
}

/** Writes text that has its own line breaks, such as a piece of a log, to standard output. */
export function printText(text: string): void {
  write(Deno.stdout, shown(text, styleFor(process.stdout)));
}

/** The code that clears a line of the terminal from the cursor on. */
const CLEAR = "\x1b[K";
let isPassing = false;

/** Says on a terminal what this process hashes while that takes long, in a line that the next one replaces. */
export function tellOfHashing(path: string, totalBytes: number): void {
  if (process.stderr.isTTY !== true) return;
  const said = printable(`hashing, ${Math.round(totalBytes / 2 ** 30)} GiB so far (Ctrl-C stops): ${path}`, " ");
  write(Deno.stderr, `${said.slice(0, (process.stderr.columns || 80) - 1)}\r`);
  isPassing = true;
}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(withTypedCommands(text));
  if (isPassing) Deno.stderr.writeSync(new TextEncoder().encode(CLEAR));
  isPassing = false;
  try {
    for (let offset = 0; offset < bytes.length;) offset += stream.writeSync(bytes.subarray(offset));
  } catch (error) {
    // The reader has closed the pipe, as `head` does. The command goes on: a run must not end because nobody reads its
    // output.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/**
 * The number of diagnostics that are printed: more would not help, and would push the first out of sight. `--json` has
 * all.
 */
const MAX_SHOWN = 50;

export function printDiagnostics(diagnostics: readonly Diagnostic[]): void {
  const style = styleFor(process.stderr);
  for (const one of diagnostics.slice(0, MAX_SHOWN)) printError(`${formatDiagnostic(one, style)}\n`);
  if (diagnostics.length > MAX_SHOWN) printError(`… and ${diagnostics.length - MAX_SHOWN} more\n`);
}

const COLOURS = { error: "red", warning: "yellow", good: "green", accent: "cyan", dim: "dim", bold: "bold" } as const;

export type Style = Readonly<Record<keyof typeof COLOURS, (text: string) => string>>;

const styleOf = (wrap: (colour: typeof COLOURS[keyof Style], text: string) => string) =>
  Object.fromEntries(Object.entries(COLOURS).map(([name, colour]) => [name, wrap.bind(null, colour)])) as Style;

const COLOURED = styleOf((colour, text) => styleText(colour, text, { validateStream: false }));
const PLAIN = styleOf((_, text) => text);

/** Returns colours for a terminal, and none if NO_COLOR is set. */
export function styleFor(stream: { readonly isTTY?: boolean } = process.stdout): Style {
  const wanted = stream.isTTY === true && !Deno.env.get("NO_COLOR") && Deno.env.get("TERM") !== "dumb";
  return wanted ? COLOURED : PLAIN;
}

/** Matches the codes of {@linkcode COLOURED}. */
// deno-lint-ignore no-control-regex
const OWN_CODES = /(\u001b\[(?:1|2|22|3[1236]|39)m)/;

/**
 * Returns output that is safe to print: no control code acts on a terminal except the colours from here, and those only
 * where they are wanted.
 */
export function shown(text: string, style: Style): string {
  if (style === PLAIN) return printable(text);
  return text.split(OWN_CODES).map((part, i) => i % 2 === 0 ? printable(part) : part).join("");
}

/** The widest padding of a column; a wider cell shifts only the rest of its own row. */
const MAX_WIDTH = 60;
/** Cuts a cell to 500 characters; `--json` has the whole text. */
const MAX_CELL = /^(.{500}).+$/su;

/** Formats rows of cells as lines. Cells must be free of colour codes; style whole lines. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  const shown = rows.map((row) => row.map((cell) => printable(cell, " ").replace(MAX_CELL, "$1…")));
  for (const row of shown) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, Math.min(cell.length, MAX_WIDTH)));
  }
  return shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}

/** Returns true if a user can answer questions on the terminal. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks on the terminal; any answer but yes counts as no. */
export async function askYes(question: string, stop: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // While a terminal is being read, Ctrl-C arrives as a key, not as a signal.
  lines.on("SIGINT", () => Deno.kill(Deno.pid, "SIGINT"));
  const closed = new Promise<string>((resolve) => lines.on("close", () => resolve("")));
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `, { signal: stop }).catch(() => ""), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Signals within this time are one key press, which may arrive in several ways. Nobody presses twice so fast. */
const SAME_PRESS_MS = 250;

/** Reacts to Ctrl-C and SIGTERM. First: save and stop. Second: stop now. */
export function listenForStop(onStop: (reason: string) => void) {
  const stop = new AbortController();
  const kill = new AbortController();
  let first = 0;
  const listener = (signal: string) => {
    if (stop.signal.aborted) {
      // A terminal sends Ctrl-C to its whole process group, and `deno task`, which is in the group, passes it on as
      // well.
      if (performance.now() - first > SAME_PRESS_MS) kill.abort();
      return;
    }
    first = performance.now();
    const again = signal === "SIGINT" ? "press Ctrl-C again" : `send ${signal} again`;
    onStop(`${signal}: each stage finishes its step, saves and stops; ${again} to stop now`);
    stop.abort();
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    stop: stop.signal,
    kill: kill.signal,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
