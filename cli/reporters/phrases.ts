import { relative } from "node:path";
import {
  type Diagnostic,
  EARLIER_NOTE,
  type EngineEvent,
  printable,
  type RunFinished,
  type StageFinished,
} from "noiseline/core";
import { formatMetrics } from "../format/metrics.ts";
import { countOf, formatDuration, someOf } from "../format/units.ts";
import type { Style } from "../io.ts";
import type { RunEnd } from "../results/page.ts";

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

/** How a run ended, and its results. */
interface RunToldOf extends RunFinished, RunEnd {
  readonly file: string;
  /** The folder of the stages' folders. */
  readonly outputs: string;
}

/** What reporters turn into text. */
export type CliEvent = Exclude<EngineEvent, { type: "run-finished" }> | RunToldOf;

/** Scores beyond these are left to `metrics`. */
const MOST_SCORES = 20;

/** The last lines of a run. */
export function linesOfRunFinished(event: RunToldOf): string[] {
  const { scores = [], page, earlier, outputs } = event;
  const lines = [phraseRunFinished(event)];
  if (earlier.length > 0) lines.push(`${phraseEarlier(earlier, outputs)} (${EARLIER_NOTE})`);
  lines.push(...formatMetrics(scores.slice(0, MOST_SCORES)).map((line) => `  ${line}`));
  if (scores.length > MOST_SCORES) lines.push(`  … and ${scores.length - MOST_SCORES} more, which \`metrics\` shows`);
  if (page !== undefined) lines.push(`page: ${shortPath(page)}`);
  return lines;
}

function phraseRunFinished(event: RunFinished): string {
  const { counts, status, pipeline: name } = event;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (event.runId === undefined && status === "interrupted") return `${name}: interrupted before anything ran`;
  if (event.runId === undefined) return `${name}: nothing to do (${countOf(total, "stage")} cached)`;
  const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  const after = status === "interrupted" ? "; the same command continues" : "";
  return `${name}: ${status} in ${formatDuration(event.durationMs)} (${parts.join(", ")})${after}`;
}

/** @param folder that holds the folders of the stages */
export function phraseEarlier(earlier: readonly string[], folder: string): string {
  return `${shortPath(folder)} has folders from another configuration: ${someOf(earlier, 6)}`;
}
