import process from "node:process";
import { createInterface } from "node:readline/promises";
import { type Diagnostic, diagnosticToJson, formatDiagnostic, printable, type Result } from "noiseline/core";
import { countOf } from "../std/count_of.ts";
import { asTyped } from "./program.ts";

/** Exit codes of every command. */
export const EXIT = { done: 0, failed: 1, invalid: 2, interrupted: 130 } as const;

/** Ends a command with an exit code, and with what is still to be said: as text, or in JSON where that is wanted. */
export class Exit extends Error {
  override name = "Exit";

  /** @param closing a line below the diagnostics */
  constructor(readonly code: number, readonly diagnostics: readonly Diagnostic[] = [], readonly closing?: string) {
    super(`exit ${code}`);
  }

  tell(json: boolean): void {
    if (this.diagnostics.length === 0) return;
    if (json) return printJson({ ok: false, diagnostics: this.diagnostics.map(diagnosticToJson) });
    printDiagnostics(this.diagnostics);
    if (this.closing !== undefined) printError(this.closing);
  }
}

/** End with exit code 2 and everything that is wrong, or with 1 where it is the machine that failed. */
export function refuseWith(diagnostics: readonly Diagnostic[]): never {
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const code = diagnostics.some(({ code }) => code === "machine") ? EXIT.failed : EXIT.invalid;
  throw new Exit(code, diagnostics, `${countOf(errors, "error")}; nothing was run`);
}

/** End with exit code 1: what the arguments ask for is not there yet; or with 2, where a place of theirs is no good. */
export function failWith(diagnostics: readonly Diagnostic[]): never {
  throw new Exit(diagnostics.some(({ code }) => code === "file-unreadable") ? EXIT.invalid : EXIT.failed, diagnostics);
}

/** The value, or the end of the command with all that is wrong. */
export function valueOf<T>(result: Result<T>, end: (diagnostics: readonly Diagnostic[]) => never = refuseWith): T {
  return result.ok ? result.value : end(result.diagnostics);
}

export function problem(message: string, fix: string): Diagnostic {
  return { severity: "error", code: "check", message, fix };
}

/** End with exit code 2 and one thing that is wrong. */
export function refuse(message: string, fix: string): never {
  refuseWith([problem(message, fix)]);
}

/** End with exit code 1: what is asked for is not there yet. */
export function fail(message: string, fix: string): never {
  failWith([problem(message, fix)]);
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

/** More tell no more, and would push the first out of sight. `--json` has them all. */
const MAX_SHOWN = 50;

export function printDiagnostics(diagnostics: readonly Diagnostic[]): void {
  const style = styleFor(process.stderr);
  for (const one of diagnostics.slice(0, MAX_SHOWN)) printError(`${formatDiagnostic(one, style)}\n`);
  if (diagnostics.length > MAX_SHOWN) printError(`… and ${diagnostics.length - MAX_SHOWN} more\n`);
}

export type Style = Readonly<ReturnType<typeof styleOf>>;

const styleOf = (wrap: (open: number, close: number) => (text: string) => string) => ({
  error: wrap(31, 39),
  warning: wrap(33, 39),
  good: wrap(32, 39),
  accent: wrap(36, 39),
  dim: wrap(2, 22),
  bold: wrap(1, 22),
});

const COLOURED = styleOf((open, close) => (text) => `\u001b[${open}m${text}\u001b[${close}m`);
const PLAIN = styleOf(() => (text) => text);

/** Colours only on a terminal, and never where NO_COLOR asks for none. */
export function styleFor(stream: { readonly isTTY?: boolean } = process.stdout): Style {
  const wanted = stream.isTTY === true && !Deno.env.get("NO_COLOR") && Deno.env.get("TERM") !== "dumb";
  return wanted ? COLOURED : PLAIN;
}

/** The codes of {@linkcode COLOURED}. */
// deno-lint-ignore no-control-regex
const OWN_CODES = /(\u001b\[(?:1|2|22|3[1236]|39)m)/;

/** Output as it may be shown: nothing in it acts on a terminal but the colours from here, and those only where wanted. */
export function shown(text: string, style: Style): string {
  if (style === PLAIN) return printable(text);
  return text.split(OWN_CODES).map((part, i) => i % 2 === 0 ? printable(part) : part).join("");
}

/** Columns padded to their widest cell; a cell that is wider than this moves what follows it in its own row alone. */
const MAX_WIDTH = 60;
/** Nobody reads more in a cell; `--json` has all of it. */
const MAX_CELL = /^(.{500}).+$/su;

/** Rows of cells as lines. Cells must be free of colour codes; style whole lines. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  const shown = rows.map((row) => row.map((cell) => printable(cell, " ").replace(MAX_CELL, "$1…")));
  for (const row of shown) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, Math.min(cell.length, MAX_WIDTH)));
  }
  return shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Ask on the terminal; anything but a yes is a no. */
export async function askYes(question: string, stop: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // A terminal that is asked gives Ctrl-C as a key.
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

/** Nobody presses twice in this time, in which what was pressed once has come by all ways. */
const SAME_PRESS_MS = 250;

/** First Ctrl-C or SIGTERM: save and stop. Second: stop now. */
export function listenForStop(onStop: (reason: string) => void) {
  const stop = new AbortController();
  const kill = new AbortController();
  let first = 0;
  const listener = (signal: string) => {
    if (stop.signal.aborted) {
      // A terminal sends Ctrl-C to all of the group, and `deno task`, which is in it, passes it on.
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
