import type { LiveStage } from "noiseline/engine";
import { formatDuration } from "./duration.ts";

/** `step 1200 of 5000, 9.8/s, ETA 6m 28s` */
export function formatLive({ progress, etaMs }: LiveStage): string {
  if (progress === undefined) return "";
  const { unit, done, total, perSecond } = progress;
  const pace = perSecond === null ? "" : `, ${perSecond < 10 ? perSecond.toPrecision(2) : Math.round(perSecond)}/s`;
  return `${unit} ${done} of ${total}${pace}${etaMs === undefined ? "" : `, ETA ${formatDuration(etaMs)}`}`;
}

/** A stage that runs, as plain data. */
export function liveToJson({ run, since, progress, etaMs }: LiveStage): Record<string, unknown> {
  return { runId: run.runId, pid: run.pid, host: run.host, since, progress, etaMs };
}
