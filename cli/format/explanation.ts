import type { Cause, Explanation, ExternalFacts, Reason, ResultFacts, SavedProgress, Upstream } from "noiseline";
import { formatBytes } from "./bytes.ts";
import { formatDuration } from "./duration.ts";
import { formatDevice, formatReason, showParam } from "./reasons.ts";
import type { Style } from "./style.ts";

/** Of many like things so many are named. */
const SHOWN = 8;
/** Digests and keys by as much as tells them apart. */
const SHORT = 12;

export interface ExplanationOptions {
  readonly style: Style;
  readonly nowMs: number;
}

/** Why a stage is planned as it is, in lines without its own heading. */
export function explanationLines(explanation: Explanation, { style, nowMs }: ExplanationOptions): string[] {
  const { planned, causes, result, last, lost, progress } = explanation;
  const { device, problem, state } = planned;
  const lines = causeLines(causes, style);
  if (state === "cached") lines.push("nothing that it depends on has changed");
  if (result !== undefined) lines.push(...resultLines("served by", result, nowMs));
  if (last !== undefined) lines.push(...resultLines("compared with", last, nowMs));
  if (lost !== undefined) lines.push(`the result that it showed last, ${short(lost)}, is not in the store any more`);
  if (progress !== undefined) lines.push(...progressLines(explanation, progress, nowMs));
  if (device !== undefined) lines.push(`would compute on ${formatDevice(device)}`);
  if (problem !== undefined) lines.push(`${style.error("cannot run")}: ${problem.message}`, `fix: ${problem.fix}`);
  return lines;
}

/** What changed, each with the way that it came, and what lies behind it upstream indented below. */
export function causeLines(causes: readonly Cause[], style: Style): string[] {
  return cut(causes.flatMap((cause) => [causeBlock(cause, style)])).flat();
}

function causeBlock(cause: Cause, style: Style): string[] {
  const { reason, upstream = [] } = cause;
  const below = [...detailsOf(cause), ...originLines(reason, style)];
  const stages = cut(upstream.map((one) => upstreamBlock(one, style))).flat();
  return [`because of ${phrase(reason)}`, ...[...below, ...stages].map(indent)];
}

function upstreamBlock({ stage, state, causes, note }: Upstream, style: Style): string[] {
  const said = note === undefined ? "" : `: ${note}`;
  return [`${style.bold(stage)} (${state})${said}`, ...causeLines(causes, style).map(indent)];
}

/** As a plan says it, without what the lines below say better. */
function phrase(reason: Reason): string {
  switch (reason.code) {
    case "param":
      return `param ${reason.name}: ${showParam(reason.from)} -> ${showParam(reason.to)}`;
    case "input": {
      const [from, to] = [reason.from, reason.to].map((digests) =>
        digests.length === 0 ? "nothing" : digests.length === 1 ? short(digests[0]!) : `${digests.length} artifacts`
      );
      return reason.stage === "none"
        ? `input ${reason.name}: not read any more`
        : `input ${reason.name} from ${reason.stage}: ${from} -> ${to}`;
    }
    case "upstream":
      return `upstream ${reason.stage}, which is not there yet`;
    default:
      return formatReason(reason);
  }
}

function originLines(reason: Reason, style: Style): string[] {
  return reason.code === "param" ? [style.dim(`from ${reason.origin.join(" <- ")}`)] : [];
}

function detailsOf({ reason, before, after, modules }: Cause): string[] {
  if (reason.code === "external") return [`was ${formatExternal(before)}`, `now ${formatExternal(after)}`];
  if (reason.code !== "code" || ![reason.from, reason.to].every((version) => version.startsWith("code:"))) return [];
  if (modules === undefined) return ["which of them is not known: the run that made the last result is not on record"];
  const { changed, added, removed } = modules;
  const named = { changed, added, removed };
  return Object.entries(named).filter(([, places]) => places.length > 0).map(([what, places]) =>
    `${what}: ${cut(places).join(", ")}`
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
  const when = madeAt === undefined ? "" : `made ${formatTime(madeAt, nowMs)} `;
  const took = durationMs === undefined ? "" : ` in ${formatDuration(durationMs)}`;
  const whose = host === undefined ? ", which is not on record here" : ` on host ${host} (${pipeline}/${stage})`;
  const lines = [`${how} result ${short(resolvedKey)}${at}`, `  ${when}by run ${runId}${whose}${took}`];
  if (numerics !== null) lines.push(`  computed on ${numerics}${device === undefined ? "" : ` (device ${device})`}`);
  return lines;
}

function progressLines({ planned }: Explanation, { folder, states }: SavedProgress, nowMs: number): string[] {
  const { state, fromStep, stage } = planned;
  const goal = stage.extent === undefined ? "" : ` of ${stage.extent}`;
  const why = state === "extend" ? "a shorter run ended there" : "an interrupted run saved it";
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
  return Number.isNaN(ageMs) || ageMs < 0 ? text : `${text}, ${formatDuration(ageMs)} ago,`;
}

function short(digest: string): string {
  return digest.slice(0, SHORT);
}

function indent(line: string): string {
  return `  ${line}`;
}

/** The first of many, and how many more there are. */
function cut<T>(items: readonly T[]): (T | string)[] {
  if (items.length <= SHOWN) return [...items];
  return [...items.slice(0, SHOWN), `… and ${items.length - SHOWN} more`];
}
