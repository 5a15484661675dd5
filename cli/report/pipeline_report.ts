import { type Pipeline, type Plan, rankingsOf, type RunRecord, type Store } from "noiseline";
import { missingOfPlan } from "noiseline/housekeeping";
import { collectArtifacts, type Collected, PLOT_LIBRARY, renderReport, type ReportStage } from "noiseline/report";
import { listLeaves } from "../format/leaves.ts";
import { artifactsOf } from "./experiments.ts";

/** Bytes of pictures and figures on one page, with which a browser still opens it at once. */
const MOST_BYTES = 32 << 20;

/** How stages end that leave no result. */
const NO_RESULT: ReadonlySet<string> = new Set(["failed", "interrupted", "blocked"]);

/** What a pipeline's results and runs say, as a page. */
export interface PipelinePage {
  readonly html: string;
  /** Stages without a result, or with a damaged one. */
  readonly missing: readonly string[];
  /** What is damaged, cannot be read or takes too much room. */
  readonly leftOut: readonly string[];
}

/** @param stages the plan of the whole pipeline */
export async function pipelinePage(
  pipeline: Pipeline,
  stages: Plan["stages"],
  store: Store,
): Promise<PipelinePage> {
  const last = store.runs.newestFirst().find((run) => run.pipeline === pipeline.name);
  const runs = new Map<string, RunRecord | undefined>();
  const recordOf = (runId: string) => {
    if (!runs.has(runId)) runs.set(runId, store.runs.read(runId));
    return runs.get(runId);
  };
  const leaves = Map.groupBy(listLeaves(pipeline), ({ stage }) => stage);
  const items: Collected[] = [];
  const missing: string[] = [];
  const notes: string[] = [];
  const { damaged } = missingOfPlan({ pipeline, stages, problems: [] }, store);
  const described: ReportStage[] = [];
  for (const [id, { stage, state, manifest, continues }] of stages) {
    const lastEnd = last?.stages[id];
    const ended = manifest === undefined && NO_RESULT.has(lastEnd?.state ?? "") ? lastEnd : undefined;
    if (manifest !== undefined) items.push(...artifactsOf(id, manifest, store));
    else missing.push(id);
    if (manifest === undefined && !damaged.includes(id)) {
      notes.push([`no result of "${id}"`, ended?.state, ended?.message].filter(Boolean).join(": "));
    }
    // The run that computed it, not those that found it cached, under whatever name.
    const computed = manifest && Object.values(recordOf(manifest.runId)?.stages ?? {})
      .find((one) => one.state === "ran" && one.resolvedKey === manifest.resolvedKey);
    // Of a stage that goes on with another, what that one says; how far it goes is in its name's own line of the file.
    const own = leaves.get(stage.entry) ?? [];
    const declared = pipeline.stages.get(id)!;
    const says = (within: string, value: unknown) => {
      const name = /^with\.(\w+)$/.exec(within)?.[1];
      return continues === undefined || name === undefined ? value : stage.params[name] ?? value;
    };
    described.push({
      id,
      kind: stage.kind.name,
      state: ended?.state ?? state,
      reads: [...new Set([...Object.values(stage.inputs).flat().map((one) => one.stage), ...rankingsOf(declared)])],
      durationMs: computed?.durationMs,
      numerics: manifest?.numerics ?? undefined,
      params: declared.id === declared.entry
        ? own.map(({ within, value, origin }) => ({ path: within, value: says(within, value), origin }))
        : [],
    });
  }
  const subtitle = [
    pipeline.file,
    `seed ${pipeline.seed}`,
    last === undefined ? undefined : `last run ${last.startedAt.slice(0, 16).replace("T", " ")} UTC, ${last.status}`,
  ].filter((part) => part !== undefined).join(" · ");
  const { unreadable, ...content } = await collectArtifacts(items, MOST_BYTES);
  const leftOut = [
    ...damaged.map((id) => `the result of "${id}" is damaged; the next run makes it again`),
    ...unreadable,
  ];
  const report = { title: pipeline.name, subtitle, notes: [...notes, ...leftOut], stages: described, ...content };
  return { html: renderReport(report, PLOT_LIBRARY), missing, leftOut };
}
