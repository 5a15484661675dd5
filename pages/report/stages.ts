import { formatDuration } from "../../std/duration.ts";
import type { ReportStage } from "./model.ts";
import { count, figure, type Html, markup, type Shown, stateWord, table } from "./text.ts";

/**
 * Returns a table of a run's stages with their progress and the time when they worked.
 * @param startedMs start of the run; without it, or with an invalid one of a record, there is no timeline
 */
export function stageTable(stages: readonly ReportStage[], startedMs = NaN): Html {
  const ends = new Map(stages.map(({ id, startedMs = 0, durationMs = 0 }) => [id, startedMs + durationMs || 0]));
  const endMs = Math.max(startedMs || 0, ...ends.values());
  const rows = stages.map((stage) => {
    const { id, kind, state, fromStep, reads, durationMs, numerics } = stage;
    const waits = stage.waits ?? (fromStep ? `went on from step ${count(fromStep)}` : undefined);
    // The stage could begin once the last of the stages that it reads had finished.
    const readyMs = Math.max(startedMs || 0, ...reads.map((one) => ends.get(one) ?? 0));
    return [
      markup`<code>${id}</code>`,
      kind,
      markup`<span class="state ${state}">${stateWord(state)}</span>${waits && markup` <small>${waits}</small>`}`,
      progressOf(stage),
      durationMs === undefined ? undefined : formatDuration(durationMs),
      drawBar(stage, { readyMs, fromMs: startedMs, spanMs: Math.max(1, endMs - startedMs) }),
      numerics && markup`<small>${numerics}</small>`,
    ];
  });
  return table(["stage", "kind", "state", "progress", "time", "timeline (thin = waiting)", "computed on"], rows);
}

const [MINUTE_MS, HOUR_MS] = [60_000, 3_600_000];

/** Formats progress as `step 1,200 of 3,000`, with a bar, and for a stage at work its pace and the time left. */
export function progressOf({ progress, etaMs }: Pick<ReportStage, "progress" | "etaMs">): Shown {
  if (progress === undefined) return undefined;
  const { done, total, unit, perSecond } = progress;
  const words = `${unit} ${count(done)} of ${count(total)}`;
  const pace = perSecond ? `${Number(perSecond.toPrecision(2))} a second, ` : "";
  const left = etaMs === undefined ? "" : markup` <small>${pace}${phraseLeft(etaMs)} left</small>`;
  return markup`<progress max="${total}" value="${done}" aria-label="${words}"></progress> ${words}${left}`;
}

/** Seconds of some time and minutes of a long one would change at each look, and mean nothing. */
function phraseLeft(ms: number): string {
  const unit = ms > 2 * HOUR_MS ? HOUR_MS : MINUTE_MS;
  if (ms <= 2 * MINUTE_MS) return formatDuration(ms);
  return `about ${formatDuration(Math.round(ms / unit) * unit).replace(/ 00[ms]$/, "")}`;
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
