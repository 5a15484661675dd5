import type * as engine from "noiseline/engine";
import { diagnosticToJson, memoryNeed, printable } from "noiseline/core";
import { showParam } from "../../pages/results/phrases.ts";
import { countOf, formatDuration, short, shortList } from "./units.ts";

/**
 * Returns one reason as a phrase.
 * @param placed true to say where the param is written
 */
export function formatReason(reason: engine.Reason, placed: boolean = true): string {
  switch (reason.code) {
    case "new":
    case "forced":
      return reason.code;
    case "param":
      return `param ${reason.name}: ${showParam(reason.from)} -> ${showParam(reason.to)}${
        placed ? ` (${reason.at})` : ""
      }`;
    case "input":
      if (reason.stage === "none") return `input ${reason.name}: no longer read`;
      return `input ${reason.name} from ${reason.stage}: ${showDigests(reason.from)} -> ${showDigests(reason.to)}`;
    case "external":
      return `external ${reason.name}: other content`;
    case "unknown":
      return `the version of ${reason.name} is not known yet: \`run\` asks it once you have granted run=${reason.name}`;
    case "code":
      // The version of a built-in kind contains the kind's name.
      return onlyUserCodeDiffers(reason)
        ? "code: the stage's modules changed"
        : `kind: ${showVersion(reason.from)} -> ${showVersion(reason.to)}`;
    case "version":
      return `version: ${reason.from} -> ${reason.to}`;
    case "upstream":
      return `upstream: ${reason.stage}`;
    case "output-missing":
    case "output-modified":
      if (reason.files[0] === "all") return "not in its folder of outputs yet";
      return `${reason.code.replace("-", " ")}: ${reason.files.slice(0, 3).join(", ")}`;
    case "shared":
      return "in the shared cache";
  }
}

/** Returns all reasons in one line; upstream stages that are waited for are grouped, and a long list is shortened. */
export function formatReasons(reasons: readonly engine.Reason[]): string {
  const waits = reasons.filter(({ code }) => code === "upstream") as Extract<engine.Reason, { code: "upstream" }>[];
  const others = reasons.filter(({ code }) => code !== "upstream").map((one) => formatReason(one));
  if (waits.length === 0) return others.join("; ");
  return [...others, `upstream: ${shortList(waits.map(({ stage }) => stage), 4)}`].join("; ");
}

function showDigests(digests: readonly string[]): string {
  return digests.length === 0 ? "nothing" : digests.length === 1 ? short(digests[0]!) : `${digests.length} artifacts`;
}

/** True if only the version of user code differs. */
export function onlyUserCodeDiffers({ from, to }: { readonly from: string; readonly to: string }): boolean {
  const [a, b] = [from, to].map((version) => /^(code:|[^ ]*)/.exec(version)![0]);
  return a === b;
}

function showVersion(version: string): string {
  return version.startsWith("code:") ? "a custom stage" : version;
}

/**
 * Returns a planned state with the step at which it continues, or how the stage is divided.
 * @param actions all actions of the plan, to count those of the stage that are done
 */
export function formatState(
  { state, fromStep, manifest, joins, division: { shards } }: engine.PlannedAction,
  actions?: ReadonlyMap<string, engine.PlannedAction>,
): string {
  if (shards === undefined || manifest !== undefined) {
    return fromStep === undefined ? state : `${state} from ${fromStep}`;
  }
  const done = joins.filter((id) => actions?.get(id)?.manifest !== undefined).length;
  return `${state} in ${shards} shards${done === 0 ? "" : ` (${done} done)`}`;
}

/** Returns a planned state as it is told when an action starts. */
export function formatStart(planned: engine.PlannedAction): string {
  const { shards } = planned.division;
  return shards === undefined ? formatState(planned) : `join ${shards} shards`;
}

/** Describes a device and why it was chosen. */
export function formatDevice(
  { name, numerics, reason }: Pick<engine.StageDevice, "name" | "numerics" | "reason">,
): string {
  return `${name} (${numerics}): ${reason}`;
}

/** Formats a forecast: `about 3m 05s` */
export function formatForecast(forecast: engine.Forecast | undefined): string {
  if (forecast === undefined) return "";
  return forecast.known ? `about ${formatDuration(forecast.durationMs)}` : "time unknown";
}

/** Formats a total: `at least about 3m 05s with 2 jobs, 4m 10s if every may-run stage runs; time unknown for score` */
export function formatTotal({ atLeastMs, ifAllMs, unknown }: engine.Total, jobs: number): string {
  const slots = `with ${countOf(jobs, "job")}`;
  const all = `${formatDuration(ifAllMs)} if every may-run stage runs`;
  const same = formatDuration(atLeastMs) === formatDuration(ifAllMs);
  const parts = [
    atLeastMs > 0 ? `at least about ${formatDuration(atLeastMs)} ${slots}${same ? "" : `, ${all}`}` : "",
    atLeastMs === 0 && ifAllMs > 0 ? `at least about ${all}` : "",
    unknown.length > 0 ? `time unknown for ${shortList(unknown, 6)}` : "",
  ];
  return parts.filter(Boolean).join("; ");
}

/** Returns the last progress of a running stage, after a text that says where it runs. */
export function formatLive(
  { progress, etaMs }: Pick<engine.LiveStage, "progress" | "etaMs">,
  where: string = "",
): string {
  const [[name, figure] = []] = Object.entries(progress?.figures ?? {});
  const figureText = figure === undefined ? "" : `, ${printable(name!, " ")} ${figure.last.toPrecision(4)}`;
  return [where, progress === undefined ? "" : formatProgress(progress, etaMs) + figureText].filter(Boolean).join(": ");
}

/** Formats progress: `step 1200 of 5000, 9.8/s, ETA 6m 28s` */
export function formatProgress(
  { unit, done, total, perSecond }: Pick<engine.LiveProgress, "unit" | "done" | "total" | "perSecond">,
  etaMs: number | undefined,
): string {
  const pace = perSecond === null ? "" : `, ${perSecond < 10 ? perSecond.toPrecision(2) : Math.round(perSecond)}/s`;
  return `${unit} ${done} of ${total}${pace}${etaMs === undefined ? "" : `, ETA ${formatDuration(etaMs)}`}`;
}

/**
 * Returns a planned stage as plain data.
 * @param live its current progress
 */
export function plannedToJson(
  id: string,
  planned: engine.PlannedAction,
  { forecast, live }: {
    readonly forecast?: engine.Forecast | undefined;
    readonly live?: engine.LiveStage | undefined;
  } = {},
): Record<string, unknown> {
  const { state, fromStep, reasons, recipeKey, keys, manifest, keep, stage, division, device, problem } = planned;
  const { run, since, progress, etaMs } = live ?? {};
  return {
    id,
    kind: stage.kind.name,
    ...division,
    state,
    fromStep,
    device: device && { name: device.name, numerics: device.numerics, reason: device.reason },
    problem: problem && diagnosticToJson(problem),
    reasons,
    recipeKey,
    resolvedKey: manifest?.resolvedKey ?? keys?.resolvedKey,
    keep,
    outputs: manifest && Object.fromEntries(Object.entries(manifest.outputs).map(([port, one]) => [port, one.digest])),
    forecast,
    memoryBytes: memoryNeed(planned),
    diskBytes: stage.diskBytes,
    running: run && { runId: run.runId, pid: run.pid, host: run.host, since, progress, etaMs },
  };
}

/** Describes a key that gave two different results. */
export function describeDifference(
  { pipeline, stage, resolvedKey, cause, first, second, kept }: engine.Difference,
): string[] {
  const head = cause === "device" ? "differs by device" : "not deterministic";
  const ports = Object.keys(first.outputs).filter((port) => first.outputs[port] !== second.outputs[port]);
  const show = (which: "first" | "second", one: engine.Difference["first"]) => {
    const digests = ports.map((port) => `${port} ${one.outputs[port]?.slice(0, 12) ?? "-"}`).join(", ");
    const on = one.numerics === null ? "" : ` on ${one.numerics}`;
    return `  ${which} ${digests}${on} in run ${one.runId}${kept === which ? " (kept)" : ""}`;
  };
  return [
    `${head}: ${pipeline}/${stage} gave two results for key ${resolvedKey.slice(0, 12)}`,
    show("first", first),
    show("second", second),
  ];
}
