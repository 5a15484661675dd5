import { relative } from "node:path";
import { type Diagnostic, printable, type StageFinished } from "noiseline/core";
import { formatDuration } from "../format/duration.ts";
import type { Style } from "../format/style.ts";

/** Estimates the time that is left from the pace since the stage began to count. */
export class Pace {
  #start: { done: number; at: number } | undefined;

  etaMs(done: number, total: number, now: number): number | undefined {
    // A resumed stage begins at its saved step; only what it does now tells its pace.
    this.#start ??= { done, at: now };
    const gained = done - this.#start.done;
    return gained <= 0 || done >= total ? undefined : (now - this.#start.at) * (total - done) / gained;
  }
}

/** A path as it is shortest to type from here. */
export function shortPath(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short === "" ? "." : short.startsWith("..") ? path : short;
}

/** A text of a stage where there is room for one line. */
export function oneLine(text: string): string {
  return printable(text, " ");
}

/** How a stage ended, in one line without its name. */
export function phraseFinished(event: StageFinished, style: Style): string {
  const time = formatDuration(event.durationMs);
  const view = event.view === undefined ? "" : ` -> ${shortPath(event.view)}`;
  switch (event.state) {
    case "cached":
      return style.dim("cached");
    case "restored":
      return `${style.accent("restored")}${event.message === undefined ? "" : ` ${oneLine(event.message)}`}${view}`;
    case "ran":
      return `${style.good("done")} in ${time}${view}`;
    case "failed":
      return `${style.error("failed")} after ${time}`;
    case "interrupted":
      return `${style.warning("interrupted")}; ${oneLine(event.message ?? "run again to continue")}`;
    case "blocked":
      return style.dim("blocked");
  }
}

/** What else is to be said about a stage that ended. */
export function detailsOfFinished(event: StageFinished): string[] {
  const lines: string[] = [];
  if (event.mine !== undefined) lines.push(`your changes to its outputs are now in ${shortPath(event.mine)}`);
  if (event.state !== "failed") return lines;
  lines.push(...printable(event.message ?? "no reason was given").split("\n"));
  if (event.fix !== undefined) lines.push(`fix: ${oneLine(event.fix)}`);
  if (event.log !== undefined) lines.push(`log: ${shortPath(event.log)}`);
  return lines;
}

/** A warning in one line, with what to do. */
export function phraseWarning({ message, fix }: Diagnostic): string {
  return oneLine(`warning: ${message}${fix === undefined ? "" : `; ${fix}`}`);
}
