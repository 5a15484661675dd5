import { formatDuration } from "../std/duration.ts";
import type { ReportStage } from "./model.ts";
import { count, figure, type Html, markup, type Shown, stateWord, table } from "./text.ts";

/**
 * Returns a table of a run's stages with their progress and the time when they worked.
 * @param startedMs start of the run; without it there is no timeline
 */
export function stageTable(stages: readonly ReportStage[], startedMs?: number): Html {
  const ends = new Map(
    stages.map(({ id, startedMs = 0, durationMs = 0 }) => [id, (startedMs && startedMs + durationMs) || 0]),
  );
  const endMs = Math.max(startedMs || 0, ...ends.values());
  // A record may contain an invalid time.
  const isTimed = startedMs !== undefined && Number.isFinite(startedMs) &&
    stages.some((stage) => stage.startedMs !== undefined);
  const isCounted = stages.some(({ progress }) => progress !== undefined);
  const rows = stages.map((stage) => {
    const { id, kind, state, waits, reads, durationMs, numerics } = stage;
    // The stage could begin once the last of the stages that it reads had finished.
    const readyMs = Math.max(startedMs || 0, ...reads.map((one) => ends.get(one) ?? 0));
    return [
      markup`<code>${id}</code>`,
      kind,
      markup`<span class="state ${state}">${stateWord(state)}</span>${waits && markup` <small>${waits}</small>`}`,
      ...(isCounted ? [progressOf(stage)] : []),
      durationMs === undefined ? undefined : formatDuration(durationMs),
      ...(isTimed ? [drawBar(stage, { readyMs, fromMs: startedMs, spanMs: Math.max(1, endMs - startedMs) })] : []),
      numerics && markup`<small>${numerics}</small>`,
    ];
  });
  const columns = ["stage", "kind", "state", isCounted && "progress", "time", isTimed && "timeline (thin = waiting)"];
  return table([...columns.filter((name) => name !== false), "computed on"], rows);
}

const HOUR_MS = 3_600_000;

/** Formats progress as `step 1,200 of 3,000`, with a bar and the time left. */
export function progressOf({ progress, etaMs }: Pick<ReportStage, "progress" | "etaMs">): Shown {
  if (progress === undefined) return undefined;
  const { done, total, unit } = progress;
  const words = `${unit} ${count(done)} of ${count(total)}`;
  const left = etaMs === undefined ? "" : markup` <small>${phraseLeft(etaMs)} left</small>`;
  return markup`<progress max="${total}" value="${done}" aria-label="${words}"></progress> ${words}${left}`;
}

/** Minutes of a long time would change at each look, and mean nothing. */
function phraseLeft(ms: number): string {
  if (ms <= 2 * HOUR_MS) return formatDuration(ms);
  return `about ${formatDuration(Math.round(ms / HOUR_MS) * HOUR_MS).replace(" 00m", "")}`;
}

/** Draws the time when a stage worked, and before that the time when it waited, as shares of the whole run. */
function drawBar(
  { state, startedMs, durationMs = 0 }: ReportStage,
  { readyMs, fromMs, spanMs }: Readonly<Record<"readyMs" | "fromMs" | "spanMs", number>>,
): Shown {
  // The stage worked in an earlier run.
  if (startedMs === undefined || !(startedMs >= fromMs)) return undefined;
  const share = (ms: number) => `${figure(100 * Math.min(1, Math.max(0, ms / spanMs)))}%`;
  const waitedMs = Math.max(0, startedMs - readyMs);
  const label = `started ${formatDuration(Math.max(0, startedMs - fromMs))} into the run` +
    (waitedMs < 1_000 ? "" : ` after waiting ${formatDuration(waitedMs)}`) + `, ran ${formatDuration(durationMs)}`;
  const [ready, waited, began, worked] = [readyMs - fromMs, waitedMs, startedMs - fromMs, durationMs].map(share);
  return markup`<svg class="bar" role="img" aria-label="${label}"><title>${label}</title>
<rect class="waited" x="${ready}" y="6" width="${waited}" height="2"/>
<rect class="worked ${state}" x="${began}" y="1" width="${worked}" height="12"/></svg>`;
}
