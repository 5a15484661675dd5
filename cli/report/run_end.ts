import { join } from "node:path";
import { type Plan, predecessorsOf, type ResultManifest, type Store } from "noiseline";
import { experimentsOfPipeline, isSelection } from "./experiments.ts";
import { type MetricRow, metricRows } from "./metric_rows.ts";

/** What a run that is done came to. */
export interface RunEnd {
  /** Whole figures of the last stages that have any. */
  readonly scores: readonly MetricRow[];
  /** The page of a stage that made one in this run's plan. */
  readonly page: string | undefined;
}

export async function runEnd(
  { pipeline, stages }: Plan,
  results: ReadonlyMap<string, { readonly manifest?: ResultManifest }>,
  store: Store,
): Promise<RunEnd> {
  const found = new Map([...stages].map(([id, planned]) => {
    const manifest = results.get(id)?.manifest ?? planned.manifest;
    return [id, manifest === undefined ? {} : { manifest }];
  }));
  const judged = (id: string) => {
    const outputs = found.get(id)?.manifest?.outputs ?? {};
    return !isSelection(outputs) && Object.values(outputs).some(({ type }) => type === "metrics");
  };
  // Stages before others with figures are on the way to them; in dependency order, so from the end.
  const before = new Set<string>();
  for (const id of [...stages.keys()].reverse()) {
    if (judged(id) || before.has(id)) predecessorsOf(pipeline.stages.get(id)!).forEach((one) => before.add(one));
  }
  const last = new Map([...found].filter(([id]) => !before.has(id)));
  const { rows } = await metricRows(experimentsOfPipeline(pipeline.name, last, store));
  const pages = [...stages].filter(([id, { stage }]) => stage.kind.name === "report" && found.get(id)?.manifest);
  return {
    scores: rows.filter(({ timesteps, label }) => timesteps === undefined && label === undefined),
    page: pages.length === 0 ? undefined : join(store.paths.outputs, pipeline.name, pages.at(-1)![0], "report.html"),
  };
}
