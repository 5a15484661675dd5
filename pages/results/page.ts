import type { Diagnostic, Pipeline, Plan, ResultManifest, RunSummary, Store } from "noiseline/engine";
import { explainIoError, planRecordOf, predecessorsOf } from "noiseline/engine";
import { bestOf, collectArtifacts, objectiveOf, renderReport, searchTables, shorten } from "noiseline/report";
import type { ReportStage } from "noiseline/report";
import { type MetricRow, overall } from "./metric_rows.ts";
import { describeKeep } from "./phrases.ts";
import { gatherNotes, shortList } from "../../std/shorten.ts";
import { PAGE } from "../../package/program.ts";
import { currentPage, lineOf } from "./current_page.ts";
import { artifactsOf, experimentsOf, SHARED } from "./experiments.ts";
import { samplesIn } from "./samples.ts";
import { figuresOf } from "./figures.ts";

/** The results of a run. */
export interface RunEnd {
  /** The figures, over all timesteps and labels, of the last stages that have any, if all stages succeeded. */
  readonly scores?: readonly MetricRow[];
  readonly page?: string | undefined;
  /** Sentences on the best trials of searches. */
  readonly best?: readonly string[];
}

/**
 * Finds the results of a run and writes its page, unless nothing ran and the page shows what is.
 * @param warn is told why there is no page
 */
export async function runEnd(
  pipeline: Pipeline,
  { status, runId, stages, now }: RunSummary,
  store: Store,
  warn: (diagnostic: Diagnostic) => void,
): Promise<RunEnd> {
  const views = store.viewsOf(pipeline.name);
  const refuse = (why: Omit<Diagnostic, "severity">) =>
    warn({ ...why, severity: "warning", message: `no page of this run: ${why.message}` });
  let end: RunEnd = {};
  try {
    // Stages that ran without new scores, such as failed ones, are on the page too.
    if (runId === undefined) end = { page: currentPage(pipeline, views) };
    else if (status === "done") end = { scores: await scoresOf(pipeline, stages, store) };
    if (end.page !== undefined) return end;
    if (!now.ok) refuse(now.diagnostics[0]!);
    else if (now.value.values().some(({ manifest }) => manifest !== undefined)) {
      const { html, best } = await pipelinePage(pipeline, now.value, store, runId);
      end = { ...end, page: views.write(PAGE, html), ...best.length > 0 && { best } };
    }
  } catch (error) {
    // The stages that ran are done and their results are kept: even if showing them fails, the run's end must be
    // reported.
    refuse(
      explainIoError(error) ?? { code: "check", message: String(error), fix: "report it as a bug, with the pipeline" },
    );
  }
  return end;
}

/** @param results of the requested stages */
async function scoresOf(
  pipeline: Pipeline,
  results: ReadonlyMap<string, { readonly manifest?: ResultManifest }>,
  store: Store,
): Promise<readonly MetricRow[]> {
  const before = new Set<string>();
  const last: [string, ResultManifest][] = [];
  // Stages are in dependency order, so the loop starts at the end: a stage with figures that later ones build on is
  // only an intermediate step.
  for (const [id, stage] of [...pipeline.stages].reverse()) {
    const manifest = results.get(id)?.manifest;
    if (manifest === undefined) continue;
    const hasFigures = Object.values(manifest.outputs).some(({ type }) => type === "metrics");
    // The figures of a program of the user's are results, whoever reads its other outputs.
    if (hasFigures && (!before.has(id) || stage.kind.command !== undefined)) last.unshift([id, manifest]);
    if (hasFigures || before.has(id)) predecessorsOf(stage).forEach((one) => before.add(one));
  }
  const { own } = await figuresOf(experimentsOf(pipeline.name, last, store));
  // Only a few scores are printed. Scores without a matrix axis come first, because a matrix may have many children.
  const hasAxis = ({ experiment }: MetricRow) => Number(!experiment.endsWith(SHARED));
  return overall(own.flat()).sort((a, b) => hasAxis(a) - hasAxis(b));
}

/** The newest runs of a pipeline among which the page looks for one that made what is there now. */
const MOST_RUNS = 20;

/** Bytes of pictures and figures on one page, with which a browser still opens it at once. */
const MOST_BYTES = 32 << 20;
/** The bytes that pictures of one type may have in it that only explain, such as charts of noise schedules. */
const MOST_OF_TYPE = 2 << 20;

/**
 * Makes a page from a pipeline's results and runs. Also returns the stages without a result, and files that are
 * damaged, unreadable or too large.
 * @param stages the plan of the whole pipeline
 * @param runId the run that has just ended; else the page tells of the last run that ended with these results
 */
export async function pipelinePage(pipeline: Pipeline, stages: Plan["stages"], store: Store, runId?: string) {
  const keyOf = (id: string) => stages.get(id)?.manifest?.resolvedKey ?? null;
  const last = store.runs.newestFirst().filter((run) => run.pipeline === pipeline.name).take(MOST_RUNS).find((run) =>
    runId === undefined
      ? Object.entries(run.stages).every(([id, { resolvedKey }]) => resolvedKey === keyOf(id))
      : run.runId === runId
  );
  const runIds = new Set([...stages.values()].flatMap(({ manifest }) => manifest?.runId ?? []));
  // Taken from the runs that computed the results, not from runs that found them cached, under whatever names.
  const ran = [...runIds].flatMap((id) => Object.values(store.runs.read(id)?.stages ?? {}))
    .filter(({ state }) => state === "ran");
  const computed = new Map(ran.map((one) => [one.resolvedKey, one]));
  const params = new Map(planRecordOf({ pipeline, stages }).stages.map((one) => [one.id, one.params]));
  const missing: string[] = [];
  const without: [string, string][] = [];
  const damaged: [string, string][] = [];
  const described: ReportStage[] = [];
  for (const [id, { stage, state, manifest, reasons }] of stages) {
    const now = last?.stages[id];
    // The stage's end in the run that this page shows, if its result is still the current one.
    const ended = now?.resolvedKey === (manifest?.resolvedKey ?? null) ? now : undefined;
    const time = manifest && computed.get(manifest.resolvedKey)?.durationMs;
    const worked = ["ran", "failed", "interrupted"].includes(ended?.state ?? "") ? ended : undefined;
    if (manifest === undefined) {
      missing.push(id);
      const why = [ended?.state, ended?.message?.split("\n")[0]].filter(Boolean).join(": ");
      if (reasons.some(({ code }) => code === "output-missing")) damaged.push([id, ""]);
      else without.push([id, why]);
    }
    described.push({
      id,
      kind: stage.kind.name,
      state: state === "restore" ? state : ended?.state ?? state,
      reads: [...new Set(Object.values(stage.inputs).flat().map((one) => one.stage))],
      startedMs: worked?.startedAt ? Date.parse(worked.startedAt) : undefined,
      durationMs: time ?? worked?.durationMs,
      numerics: manifest?.numerics ?? undefined,
      // A matrix may have thousands of children, whose params would take too much room.
      params: id === stage.entry ? params.get(id)! : [],
      objective: objectiveOf({ params: params.get(id)! }),
    });
  }
  const seeds = [...new Set([pipeline.seed, ...stages.values().map(({ stage }) => stage.seed)])].sort((a, b) => a - b);
  const subtitle = [
    pipeline.file,
    ...pipeline.profiles.map((name) => `profile ${name}`),
    ...pipeline.overrides.map((one) => shorten(`--set ${one}`, 100)),
    `${seeds.length > 1 ? "seeds" : "seed"} ${shortList(seeds.map(String), 12)}`,
  ];
  if (last !== undefined) {
    const older = last.status === "done" ? "" : ": what it did not finish is shown as it was before";
    subtitle.push(`last run ${last.startedAt.slice(0, 16).replace("T", " ")} UTC, ${last.status}${older}`);
  }
  const options = { mostBytes: MOST_BYTES, mostOfType: MOST_OF_TYPE, keepDrawn: (png: Uint8Array) => png };
  const found = Array.from(stages, ([id, { manifest }]) => [id, manifest] as const);
  const samples = samplesIn(found, described);
  const items = found.flatMap(([id, manifest]) => artifactsOf(id, manifest, store, samples));
  const { unreadable, ...content } = await collectArtifacts(items, options);
  const leftOut = [
    ...gatherNotes(damaged).map((names) => `the result of ${names} is damaged; run it again`),
    ...unreadable,
  ];
  const kept = [...stages].flatMap(([id, { keep }]) => keep === undefined ? [] : [[id, describeKeep(keep)] as const]);
  const notes = [
    ...gatherNotes(kept).map((note) => `the result of ${note}`),
    ...gatherNotes(without).map((note) => `no result of ${note}`),
  ];
  const { name: title, question } = pipeline;
  const head = { title, question, subtitle: subtitle.join(" · "), notes: [...notes, ...leftOut] };
  const startedMs = last && Date.parse(last.startedAt);
  const html = renderReport({ ...head, stages: described, startedMs, ...content });
  // A page of a run that failed is no longer right once another run finds nothing to do.
  const line = last === undefined || last.status === "done" ? lineOf(pipeline) : "";
  return { html: html + line, missing, leftOut, best: bestOf(searchTables(content.rankings, described)) };
}
