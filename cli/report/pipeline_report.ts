import { type Pipeline, type Plan, rankingsOf, type Store } from "noiseline";
import { collectArtifacts, type Collected, type Report, type ReportStage } from "noiseline/report";
import { listLeaves } from "../format/leaves.ts";
import { artifactsOf } from "./experiments.ts";

/** What a pipeline's results and runs say, as a page shows it. */
export async function pipelineReport(
  pipeline: Pipeline,
  { stages }: Plan,
  store: Store,
): Promise<{ readonly report: Report; readonly missing: readonly string[]; readonly unreadable: readonly string[] }> {
  const runs = [...store.runs.newestFirst()].filter((run) => run.pipeline === pipeline.name);
  const leaves = Map.groupBy(listLeaves(pipeline), ({ stage }) => stage);
  const items: Collected[] = [];
  const missing: string[] = [];
  const described: ReportStage[] = [];
  for (const [id, { stage, state, manifest, continues }] of stages) {
    if (manifest === undefined) missing.push(id);
    else items.push(...artifactsOf(id, manifest, store));
    // The run that computed it, not those that found it cached.
    const computed = runs.find((run) => run.stages[id]?.state === "ran")?.stages[id];
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
      state,
      reads: [...new Set([...Object.values(stage.inputs).flat().map((one) => one.stage), ...rankingsOf(declared)])],
      durationMs: computed?.durationMs,
      numerics: manifest?.numerics ?? undefined,
      params: declared.id === declared.entry
        ? own.map(({ within, value, origin }) => ({ path: within, value: says(within, value), origin }))
        : [],
    });
  }
  const [last] = runs;
  const subtitle = [
    pipeline.file,
    `seed ${pipeline.seed}`,
    last === undefined ? undefined : `last run ${last.startedAt.slice(0, 16).replace("T", " ")} UTC, ${last.status}`,
  ].filter((part) => part !== undefined).join(" · ");
  const { unreadable, ...content } = await collectArtifacts(items);
  return { report: { title: pipeline.name, subtitle, stages: described, ...content }, missing, unreadable };
}
