import type {
  Cause,
  Explanation,
  ExternalFacts,
  Forecast,
  LiveStage,
  ResultFacts,
  SavedProgress,
  Upstream,
} from "noiseline/engine";
import type { Style } from "../io.ts";
import { formatDevice, formatReason, plannedToJson } from "./plan.ts";
import { formatBytes, formatDuration, short, someOf } from "./units.ts";

/** Of many like blocks so many are shown. */
const SHOWN = 8;

interface ExplanationOptions {
  readonly style: Style;
  readonly nowMs: number;
  /** Leave out the results, for one of several stages. */
  readonly brief: boolean;
}

/** Why a stage is planned as it is, in lines without its own heading. */
export function explanationLines(explanation: Explanation, { style, nowMs, brief }: ExplanationOptions): string[] {
  const { planned, causes, result, last, lost, progress } = explanation;
  const { device, problem, state } = planned;
  const lines = causeLines(causes, style);
  if (state === "cached") lines.push("nothing it depends on has changed");
  if (!brief) {
    if (result !== undefined) lines.push(...resultLines("served by", result, nowMs));
    if (last !== undefined) lines.push(...resultLines("compared with", last, nowMs));
    if (lost !== undefined) lines.push(`its last result, ${short(lost)}, is no longer in the store`);
    if (progress !== undefined) lines.push(...progressLines(explanation, progress, nowMs));
  }
  if (device !== undefined) lines.push(`would compute on ${formatDevice(device)}`);
  if (problem !== undefined) lines.push(`${style.error("cannot run")}: ${problem.message}`, `fix: ${problem.fix}`);
  return lines;
}

/** What changed, each with the way that it came, and what lies behind it upstream indented below. */
export function causeLines(causes: readonly Cause[], style: Style): string[] {
  const waits = causes.filter(({ reason }) => reason.code === "upstream").flatMap(({ upstream = [] }) => upstream);
  const others = causes.filter(({ reason }) => reason.code !== "upstream");
  return [...cut(others.map((cause) => causeBlock(cause, style))), ...upstreamLines(waits, "waits for ", style)];
}

function causeBlock(cause: Cause, style: Style): string[] {
  const { reason, origin, upstream = [] } = cause;
  const from = origin === undefined ? [] : [style.dim(`from ${origin.join(" <- ")}`)];
  const below = [...detailsOf(cause), ...from, ...upstreamLines(upstream, "", style)];
  if (reason.code === "new") return ["it is new: it has no earlier result to compare with"];
  return [`because of ${formatReason(reason, false)}`, ...below.map(indent)];
}

/** Stages upstream; those of which the same is to be said stand together, as children of a matrix mostly do. */
function upstreamLines(stages: readonly Upstream[], prefix: string, style: Style): string[] {
  const groups = Map.groupBy(stages, ({ state, note, causes }) => {
    const said = note === undefined ? "" : `: ${note}`;
    return [`(${state})${said}`, ...causeLines(causes, style).map(indent)].join("\n");
  });
  const blocks = [...groups].map(([text, members]) => {
    const ids = someOf(members.map(({ stage }) => stage));
    const [heading, ...below] = text.split("\n");
    return [`${prefix}${style.bold(ids)} ${heading}`, ...below];
  });
  return cut(blocks);
}

function detailsOf({ reason, before, after, modules }: Cause): string[] {
  if (reason.code === "external") return [`was ${formatExternal(before)}`, `now ${formatExternal(after)}`];
  if (reason.code !== "code" || ![reason.from, reason.to].every((version) => version.startsWith("code:"))) return [];
  if (modules === undefined) return ["unknown which ones: there is no record of the run that made the last result"];
  const { changed, added, removed } = modules;
  const named = { changed, added, removed };
  return Object.entries(named).filter(([, places]) => places.length > 0).map(([what, places]) =>
    `${what}: ${someOf(places)}`
  );
}

function formatExternal(facts: ExternalFacts | undefined): string {
  if (facts === undefined) return "nothing";
  const size = facts.sizeBytes === undefined ? "size not known" : formatBytes(facts.sizeBytes);
  const digest = /^[0-9a-f]{64}$/.test(facts.digest) ? short(facts.digest) : facts.digest;
  return `${digest}, ${size}${facts.path === undefined ? "" : `, ${facts.path}`}`;
}

function resultLines(how: string, result: ResultFacts, nowMs: number): string[] {
  const { resolvedKey, madeAt, runId, numerics, device, durationMs, host, pipeline, stage, extent } = result;
  const at = extent === null ? "" : `, at ${extent}`;
  const when = madeAt === undefined ? "" : `made ${formatTime(madeAt, nowMs)}, `;
  const took = durationMs === undefined ? "" : ` in ${formatDuration(durationMs)}`;
  const whose = host === undefined ? ", of which this store has no record" : ` on host ${host} (${pipeline}/${stage})`;
  const lines = [`${how} result ${short(resolvedKey)}${at}`, `  ${when}by run ${runId}${whose}${took}`];
  if (numerics !== null) lines.push(`  computed on ${numerics}${device === undefined ? "" : ` (device ${device})`}`);
  return lines;
}

function progressLines({ planned }: Explanation, { folder, states }: SavedProgress, nowMs: number): string[] {
  const { state, fromStep, stage } = planned;
  const goal = stage.extent === undefined ? "" : ` of ${stage.extent}`;
  const why = state === "extend" ? "a shorter run ended there" : "a run that has not finished saved it";
  const saved = states.map(({ step, sizeBytes, savedAt }) => {
    const when = savedAt === undefined ? "" : `, ${formatTime(savedAt.toISOString(), nowMs)}`;
    return `  saved: step ${step} (${formatBytes(sizeBytes)}${when})`;
  });
  return [`continues at step ${fromStep}${goal}: ${why}`, ...saved, `  in ${folder}`];
}

/** `2026-11-25 12:00:07 UTC, 3m 05s ago` */
function formatTime(iso: string, nowMs: number): string {
  const text = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  const ageMs = nowMs - Date.parse(iso);
  return Number.isNaN(ageMs) || ageMs < 0 ? text : `${text}, ${formatDuration(ageMs)} ago`;
}

function indent(line: string): string {
  return `  ${line}`;
}

/** The first of many, and how many more there are. */
function cut(blocks: readonly string[][]): string[] {
  const more = blocks.length > SHOWN ? [`… and ${blocks.length - SHOWN} more`] : [];
  return [...blocks.slice(0, SHOWN).flat(), ...more];
}

/** An explanation as plain data. The shape is documented in docs/explain.md. */
export function explanationToJson(
  { id, planned, causes, result, last, lost, progress }: Explanation,
  facts: { readonly forecast: Forecast | undefined; readonly live: LiveStage | undefined },
): Record<string, unknown> {
  return { ...plannedToJson(id, planned, facts), causes: causes.map(causeToJson), result, last, lost, progress };
}

function causeToJson({ reason, upstream, ...details }: Cause): Record<string, unknown> {
  const before = upstream?.map(({ causes, ...rest }) => ({ ...rest, causes: causes.map(causeToJson) }));
  return { ...reason, ...details, upstream: before };
}
