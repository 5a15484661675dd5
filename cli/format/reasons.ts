import type { Forecast, PlannedStage, Reason, StageDevice } from "noiseline/engine";
import { formatDuration } from "./duration.ts";

export function showParam(value: unknown): string {
  const text = value === undefined ? "unset" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** One reason as a phrase. */
export function formatReason(reason: Reason): string {
  switch (reason.code) {
    case "new":
      return "new";
    case "param":
      return `param ${reason.name}: ${showParam(reason.from)} -> ${showParam(reason.to)} (${reason.at})`;
    case "input":
      return `input ${reason.name}: other content from ${reason.stage}`;
    case "external":
      return `external ${reason.name}: other content`;
    case "code":
      // Of a built-in kind the version names the kind.
      return [reason.from, reason.to].every((version) => version.startsWith("code:"))
        ? "code: the stage's modules changed"
        : `kind: ${showVersion(reason.from)} -> ${showVersion(reason.to)}`;
    case "version":
      return `version: ${reason.from} -> ${reason.to}`;
    case "upstream":
      return `upstream: ${reason.stage}`;
    case "output-missing":
      return `output missing: ${reason.files.slice(0, 3).join(", ")}`;
    case "output-modified":
      return `output modified: ${reason.files.slice(0, 3).join(", ")}`;
    case "shared":
      return "in the shared cache";
    case "forced":
      return "forced";
  }
}

/** All reasons in one line; stages that are waited for are named together, and of many only some. */
export function formatReasons(reasons: readonly Reason[]): string {
  const waits = reasons.filter(({ code }) => code === "upstream") as Extract<Reason, { code: "upstream" }>[];
  const others = reasons.filter(({ code }) => code !== "upstream").map(formatReason);
  if (waits.length === 0) return others.join("; ");
  const more = waits.length > 4 ? `, … (${waits.length} in all)` : "";
  return [...others, `upstream: ${waits.slice(0, 4).map(({ stage }) => stage).join(", ")}${more}`].join("; ");
}

function showVersion(version: string): string {
  return version.startsWith("code:") ? "a custom stage" : version;
}

/** A planned state with where it continues. */
export function formatState({ state, fromStep }: PlannedStage): string {
  return fromStep === undefined ? state : `${state} from ${fromStep}`;
}

/** A device with why it is this one. */
export function formatDevice({ name, numerics, reason }: Pick<StageDevice, "name" | "numerics" | "reason">): string {
  return `${name} (${numerics}): ${reason}`;
}

export function formatForecast(forecast: Forecast | undefined): string {
  if (forecast === undefined) return "";
  return forecast.known ? `about ${formatDuration(forecast.durationMs)}` : "time unknown";
}
