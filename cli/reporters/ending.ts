import { EARLIER_NOTE, type EngineEvent, type RunFinished } from "noiseline/core";
import { formatDuration } from "../format/duration.ts";
import { formatMetrics } from "../format/metrics.ts";
import type { RunEnd } from "../report/run_end.ts";
import { shortPath } from "./phrases.ts";

/** How a run ended, and what it came to. */
export interface RunToldOf extends RunFinished, RunEnd {
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
  if (event.runId === undefined) return `${name}: nothing to do (${total} ${total === 1 ? "stage" : "stages"} cached)`;
  const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  const after = status === "interrupted" ? "; the same command continues" : "";
  return `${name}: ${status} in ${formatDuration(event.durationMs)} (${parts.join(", ")})${after}`;
}

/** @param folder that holds the folders of the stages */
export function phraseEarlier(earlier: readonly string[], folder: string): string {
  const shown = earlier.slice(0, 6).join(", ");
  const more = earlier.length > 6 ? `, … (${earlier.length} in all)` : "";
  return `${shortPath(folder)} has folders from another configuration: ${shown}${more}`;
}
