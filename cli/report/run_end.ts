import type { Diagnostic, Pipeline, Plan, ResultManifest, RunSummary, Store } from "noiseline/engine";
import { explainTrouble, predecessorsOf } from "noiseline/engine";
import { isWhole } from "../format/metrics.ts";
import { PAGE } from "../program.ts";
import { experimentsOf, SHARED } from "./experiments.ts";
import { figuresOf, type MetricRow } from "./metric_rows.ts";

/** What a run came to. */
export interface RunEnd {
  /** Whole figures of the last stages that have any, where all went well. */
  readonly scores?: readonly MetricRow[];
  readonly page?: string | undefined;
}

/**
 * Find what a run came to, and write its page, unless nothing ran and it is up to date.
 * @param warn told why there is no page
 */
export async function runEnd(
  pipeline: Pipeline,
  { status, runId, stages, now }: RunSummary,
  store: Store,
  warn: (diagnostic: Diagnostic) => void,
): Promise<RunEnd> {
  const refuse = (why: Omit<Diagnostic, "severity">) =>
    void warn({ ...why, severity: "warning", message: `no page of this run: ${why.message}` });
  let scores: readonly MetricRow[] | undefined;
  let page: string | undefined;
  try {
    // Where nothing ran there is nothing new to say; what ran and shows nothing new, such as a failure, is on the page too.
    if (runId === undefined) page = store.viewsOf(pipeline.name).upToDate(PAGE);
    else if (status === "done") scores = await scoresOf(pipeline, stages, store);
    page ??= now.ok ? await writePage(pipeline, now.value, store) : refuse(now.diagnostics[0]!);
  } catch (error) {
    // What ran is done and kept: whatever is wrong with showing it, how the run ended must still be told.
    refuse(
      explainTrouble(error) ?? { code: "check", message: String(error), fix: "report it as a bug, with the pipeline" },
    );
  }
  return { ...scores && { scores }, page };
}

async function writePage(pipeline: Pipeline, stages: Plan["stages"], store: Store): Promise<string | undefined> {
  if (stages.values().every(({ manifest }) => manifest === undefined)) return undefined;
  const { pipelinePage } = await import("./pipeline_report.ts");
  return store.viewsOf(pipeline.name).write(PAGE, (await pipelinePage(pipeline, stages, store)).html);
}

/** @param results of the stages that were asked for */
async function scoresOf(
  pipeline: Pipeline,
  results: ReadonlyMap<string, { readonly manifest?: ResultManifest }>,
  store: Store,
): Promise<readonly MetricRow[]> {
  const before = new Set<string>();
  const last: [string, ResultManifest][] = [];
  // In dependency order, so from the end: what comes before others with figures is on the way to them.
  for (const [id, stage] of [...pipeline.stages].reverse()) {
    const manifest = results.get(id)?.manifest;
    if (manifest === undefined) continue;
    const outputs = Object.values(manifest.outputs);
    const hasFigures = outputs.some(({ type }) => type === "metrics");
    if (hasFigures && !before.has(id)) last.unshift([id, manifest]);
    if (hasFigures || before.has(id)) predecessorsOf(stage).forEach((one) => before.add(one));
  }
  const { own } = await figuresOf(experimentsOf(pipeline.name, last, store));
  // Few are shown: those of no axis come first, for children of a matrix are many.
  const hasAxis = ({ experiment }: MetricRow) => Number(!experiment.endsWith(SHARED));
  return own.flat().filter(isWhole).sort((a, b) => hasAxis(a) - hasAxis(b));
}
