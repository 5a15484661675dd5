import { formatDuration } from "../../std/duration.ts";
import { type Content, factsOf, noContent, type ReportCurve, type ReportPicture } from "../report/model.ts";
import type { Page } from "../report/page.ts";
import { groupCurves } from "../report/charts.ts";
import { describeSampler, sectionsOf } from "../report/sections.ts";
import { progressOf } from "../report/stages.ts";
import { copyButton, count, encodePath, type Html, joined, markup, shorten } from "../report/text.ts";
import type { LiveRun, LiveStage } from "./model.ts";

/** The content of a run's page besides the run's record. */
export interface RunDetails {
  /** Curves of the stages that reported figures. */
  readonly curves: readonly ReportCurve[];
  /** The contents of the run's results, as links. */
  readonly content?: Content | undefined;
  /** The last lines of a stage's log. */
  readonly log?: Readonly<Record<"stage" | "text", string>> | undefined;
  /** Notes on missing content, and why it is missing. */
  readonly notes?: readonly string[] | undefined;
}

/** Renders the current page of one run. */
export function renderRun(run: LiveRun, { curves, content = noContent(), log, notes = [] }: RunDetails): Page {
  const all = liveContent(run, curves, content);
  const { pipeline: title, startedMs } = run;
  const stages = withWaits(run);
  const sections = sectionsOf({ title, subtitle: "", notes, ...all, stages, startedMs });
  const more = encodePath("log", run.runId, log?.stage ?? "");
  const last = log &&
    markup`<p><code>${log.stage}</code>, last lines; <a href="${more}">more</a></p><pre tabindex="0">${log.text}</pre>`;
  // Whoever opens the page of a run that failed looks for the reason.
  sections.splice(run.state === "failed" ? 0 : -1, 0, { id: "log", title: "Log", body: last ? [last] : [] });
  const facts = joined([
    run.overrides.length > 0 ? shorten(run.overrides.join(" ")) : undefined,
    `began ${timeOf(startedMs)} UTC on ${run.cluster ?? run.host}`,
    run.tags.length > 0 ? `tagged ${run.tags.join(", ")}` : undefined,
  ], " · ");
  return {
    title,
    question: run.question,
    subtitle: markup`<code>${run.runId}</code> · <span title="${run.file}">${
      run.file.split(/[\\/]/).at(-1)
    }</span> · ${facts}`,
    state: describeState(run),
    notes,
    sections,
    curves: groupCurves({ ...all, stages }),
  };
}

/**
 * Returns the contents of results, and for stages without a result their figures and previews.
 * @param names titles that the stages to include have in `content`, by stage id
 */
export function liveContent(
  { runId, stages }: LiveRun,
  curves: readonly ReportCurve[],
  content: Content,
  names: ReadonlyMap<string, string> = new Map(stages.map(({ id }) => [id, id])),
): Content {
  const logged = new Set([undefined, ...content.curves.map(({ title }) => title)]);
  const going = curves.filter(({ title, rows }) => !logged.has(names.get(title)) && rows.length > 0)
    .map((one) => ({ ...one, title: names.get(one.title)! }));
  const previews = stages.flatMap((one) => names.has(one.id) ? previewsOf(runId, one, names.get(one.id)!) : []);
  return { ...content, curves: [...content.curves, ...going], samples: [...content.samples, ...previews] };
}

function previewsOf(runId: string, { id, previews, ...drawn }: LiveStage, name: string): ReportPicture[] {
  const { sampler } = factsOf({ sampler: drawn.sampler }, "", []);
  return previews.map((step) => ({
    title: `${name}: preview`,
    note: joined([`sampled while ${name} was running`, sampler && describeSampler(sampler)], "; "),
    source: encodePath("preview", runId, id, `${step}.png`),
    step,
  }));
}

/**
 * Returns the stages that a run is working on, or whose jobs it waits for; for a run that did not end well, the stages
 * that ended the same way or failed.
 */
export function currentStages({ stages, state }: LiveRun): LiveStage[] {
  const own = state === "done" ? [] : stages.filter((stage) => stage.state === state || stage.state === "failed");
  return own.length > 0 || state !== "running" ? own : stages.filter((stage) => stage.state === "waiting");
}

/** The states of stages that other stages can read, as planned and as they end. */
const READABLE = new Set(["cached", "restore", "ran", "restored"]);
const PLANNED = new Set(["run", "extend", "resume", "may-run"]);
const MOST_NAMED = 3;

/** Returns the stages of a run; those that a live run has yet to begin say why they wait. */
function withWaits({ stages, state }: LiveRun): LiveStage[] {
  const open = new Set(stages.filter((stage) => !READABLE.has(stage.state)).map(({ id }) => id));
  return stages.map((stage) => {
    if (state !== "running" || !PLANNED.has(stage.state)) return stage;
    const missing = stage.reads.filter((id) => open.has(id));
    const waits = missing.length > 0
      ? `waits for ${listed(missing)}`
      : "waits for a free processor or card, or another run";
    return { ...stage, waits };
  });
}

/** Lists the first names, and says how many more there are. */
export function listed(ids: readonly string[]): string {
  const more = ids.length - MOST_NAMED;
  return `${ids.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Formats a time in UTC, to the minute. */
export function timeOf(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.valueOf()) ? "no time" : time.toISOString().slice(0, 16).replace("T", " ");
}

/** Describes a run's state. Screen readers announce only the part that changes rarely. */
function describeState(run: LiveRun): Html {
  const { startedMs, endedMs, command } = run;
  const now = currentStages(run);
  const state = now[0]?.state === "waiting" ? "waiting" : run.state;
  const names = now.map(({ id }) => id).join(", ");
  const took = endedMs && ` ${state === "done" ? "in" : "after"} ${formatDuration(endedMs - startedMs)}`;
  const where = names === "" ? "" : markup`${endedMs === undefined ? "" : " at"} <b>${names}</b>`;
  const facts = now.flatMap((stage) => [
    progressOf(stage),
    ...[stage.message?.split("\n")[0], stage.fix && `fix: ${stage.fix}`].map((text) => shorten(text ?? "")),
  ]).filter(Boolean);
  if (run.state === "running") facts.unshift(`for ${formatDuration(Math.max(0, Date.now() - startedMs))}`);
  else if (run.state !== "done" && command !== undefined) {
    facts.push(markup`Go on with <code>${copyButton(command, command)}</code>`);
  }
  const next = withWaits(run).filter(({ waits }) => waits !== undefined).map(({ id }) => id);
  if (next.length > 0) facts.push(`then ${listed(next)}`);
  const resumed = run.stages.find(({ fromStep }) => fromStep);
  if (resumed !== undefined) facts.push(`${resumed.id} went on from step ${count(resumed.fromStep!)}`);
  return markup`<div class="now"><p role="status"><span class="state ${state}">${state}</span>${where}${took}</p>
${facts.map((fact) => markup`<p>${fact}</p>`)}</div>`;
}
