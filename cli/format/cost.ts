import type { Capacity, Forecast, Total } from "noiseline/engine";
import { formatDuration } from "./duration.ts";

/** `at least about 3m 05s with 2 jobs, 4m 10s if every may-run stage runs; time unknown for score` */
export function formatTotal({ atLeastMs, ifAllMs, unknown }: Total, jobs: number): string {
  const slots = `with ${jobs} ${jobs === 1 ? "job" : "jobs"}`;
  const all = `${formatDuration(ifAllMs)} if every may-run stage runs`;
  const same = formatDuration(atLeastMs) === formatDuration(ifAllMs);
  const parts = [
    atLeastMs > 0 ? `at least about ${formatDuration(atLeastMs)} ${slots}${same ? "" : `, ${all}`}` : "",
    atLeastMs === 0 && ifAllMs > 0 ? `at least about ${all}` : "",
    unknown.length > 0 ? `time unknown for ${unknown.slice(0, 6).join(", ")}${unknown.length > 6 ? ", …" : ""}` : "",
  ];
  return parts.filter(Boolean).join("; ");
}

export function totalToJson(total: Total, capacity: Capacity): Record<string, unknown> {
  return { ...total, ...capacity };
}

/** `about 3m 05s (its last run)` */
export function formatCost(forecast: Forecast): string {
  return forecast.known
    ? `about ${formatDuration(forecast.durationMs)} (${forecast.basis})`
    : `unknown (${forecast.basis})`;
}
