import { join } from "node:path";
import { type Pipeline, predecessorsOf, type ResultManifest, type Store } from "noiseline";
import { isWhole } from "../format/metrics.ts";
import { isThere } from "../program.ts";
import { experimentsOf, isSelection } from "./experiments.ts";
import { figuresOf, type MetricRow } from "./metric_rows.ts";

/** What a run that is done came to. */
export interface RunEnd {
  /** Whole figures of the last stages that have any. */
  readonly scores: readonly MetricRow[];
  /** The page of the last stage that makes one, else the one that `report` wrote. */
  readonly page: string | undefined;
}

/** @param results of the stages that were asked for */
export async function runEnd(
  pipeline: Pipeline,
  results: ReadonlyMap<string, { readonly manifest?: ResultManifest }>,
  store: Store,
): Promise<RunEnd> {
  const before = new Set<string>();
  const last: [string, ResultManifest][] = [];
  let page: string | undefined;
  // In dependency order, so from the end: what comes before others with figures is on the way to them.
  for (const [id, stage] of [...pipeline.stages].reverse()) {
    const manifest = results.get(id)?.manifest;
    if (manifest === undefined) continue;
    if (stage.kind.name === "report") page ??= join(store.paths.outputs, pipeline.name, id, "report.html");
    const outputs = Object.values(manifest.outputs);
    const hasFigures = outputs.some(({ type }) => type === "metrics") && !isSelection(manifest.outputs);
    if (hasFigures && !before.has(id)) last.unshift([id, manifest]);
    if (hasFigures || before.has(id)) predecessorsOf(stage).forEach((one) => before.add(one));
  }
  const { own } = await figuresOf(experimentsOf(pipeline.name, last, store));
  const written = join(store.paths.outputs, pipeline.name, "report.html");
  return { scores: own.flat().filter(isWhole), page: page ?? (isThere(written) ? written : undefined) };
}
