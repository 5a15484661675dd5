import type { Cause, Explanation, Forecast, LiveStage, Upstream } from "noiseline/engine";
import { liveToJson } from "./live.ts";
import { plannedToJson } from "./plan_json.ts";

/** An explanation as plain data. The shape is documented in docs/explain.md. */
export function explanationToJson(
  { id, planned, causes, result, last, lost, progress }: Explanation,
  forecast: Forecast | undefined,
  live: LiveStage | undefined,
): Record<string, unknown> {
  return {
    ...plannedToJson(id, planned, forecast),
    causes: causes.map(causeToJson),
    result,
    last,
    lost,
    progress: progress && {
      folder: progress.folder,
      states: progress.states.map(({ savedAt, ...rest }) => ({ ...rest, savedAt: savedAt?.toISOString() })),
    },
    running: live && liveToJson(live),
  };
}

function causeToJson({ reason, upstream, ...details }: Cause): Record<string, unknown> {
  return { ...reason, ...details, ...(upstream === undefined ? {} : { upstream: upstream.map(upstreamToJson) }) };
}

function upstreamToJson({ causes, ...rest }: Upstream): Record<string, unknown> {
  return { ...rest, causes: causes.map(causeToJson) };
}
