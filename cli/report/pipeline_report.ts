import type { Pipeline, Plan, Store } from "noiseline/engine";
import { collectArtifacts, type Collected, renderReport, type ReportStage } from "noiseline/report";
import { listLeaves } from "../format/leaves.ts";
import { formatDuration } from "../format/units.ts";
import { artifactsOf } from "./experiments.ts";

/** Bytes of pictures and figures on one page, with which a browser still opens it at once. */
const MOST_BYTES = 32 << 20;

/** How stages end that leave no result. */
const NO_RESULT: ReadonlySet<string | undefined> = new Set(["failed", "interrupted"]);

/** What a pipeline's results and runs say, as a page. */
export interface PipelinePage {
  readonly html: string;
  /** Stages without a result. */
  readonly missing: readonly string[];
  /** What is damaged, cannot be read or takes too much room. */
  readonly leftOut: readonly string[];
}

/** @param stages the plan of the whole pipeline */
export async function pipelinePage(pipeline: Pipeline, stages: Plan["stages"], store: Store): Promise<PipelinePage> {
  const last = store.runs.newestFirst().find((run) => run.pipeline === pipeline.name);
  const runIds = new Set([...stages.values()].flatMap(({ manifest }) => manifest?.runId ?? []));
  // Of the runs that computed them, not of those that found them cached, under whatever names.
  const ran = [...runIds].flatMap((id) => Object.values(store.runs.read(id)?.stages ?? {}))
    .filter(({ state }) => state === "ran");
  const computed = new Map(ran.map((one) => [one.resolvedKey, one]));
  const leaves = Map.groupBy(listLeaves(pipeline), ({ stage }) => stage);
  const items: Collected[] = [];
  const missing: string[] = [];
  const notes: string[] = [];
  const leftOut: string[] = [];
  const described: ReportStage[] = [];
  for (const [id, { stage, state, manifest, reasons }] of stages) {
    const ended = manifest === undefined && NO_RESULT.has(last?.stages[id]?.state) ? last?.stages[id] : undefined;
    const time = manifest && computed.get(manifest.resolvedKey)?.durationMs;
    if (manifest !== undefined) items.push(...artifactsOf(id, manifest, store));
    else {
      missing.push(id);
      const why = [`no result of "${id}"`, ended?.state, ended?.message?.split("\n")[0]].filter(Boolean).join(": ");
      const damaged = reasons.some(({ code }) => code === "output-missing");
      if (damaged) leftOut.push(`the result of "${id}" is damaged; run it again`);
      else notes.push(why);
    }
    const own = stage.id === stage.entry ? leaves.get(stage.entry) ?? [] : [];
    described.push({
      id,
      kind: stage.kind.name,
      state: ended?.state ?? state,
      reads: [...new Set(Object.values(stage.inputs).flat().map((one) => one.stage))],
      duration: time === undefined ? undefined : formatDuration(time),
      numerics: manifest?.numerics ?? undefined,
      params: own.map(({ within, value, origin }) => ({ path: within, value, origin })),
    });
  }
  const subtitle = [
    pipeline.file,
    ...pipeline.profiles.map((name) => `profile ${name}`),
    `seed ${pipeline.seed}`,
    last === undefined ? undefined : `last run ${last.startedAt.slice(0, 16).replace("T", " ")} UTC, ${last.status}`,
  ].filter((part) => part !== undefined).join(" · ");
  const { unreadable, ...content } = await collectArtifacts(items, MOST_BYTES);
  leftOut.push(...unreadable);
  const report = { title: pipeline.name, subtitle, notes: [...notes, ...leftOut], stages: described, ...content };
  return { html: renderReport(report), missing, leftOut };
}
