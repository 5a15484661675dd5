import type { Diagnostic, Pipeline, ResultManifest, RunSummary, Store } from "noiseline";
import { explainTrouble, Planner, predecessorsOf } from "noiseline";
import { isWhole } from "../format/metrics.ts";
import { PAGE } from "../program.ts";
import { experimentsOf, isSelection, SHARED } from "./experiments.ts";
import { figuresOf, type MetricRow } from "./metric_rows.ts";

/** What a run came to. */
export interface RunEnd {
  /** Whole figures of the last stages that have any, where all went well. */
  readonly scores?: readonly MetricRow[];
  readonly page?: string | undefined;
}

/** Find what a run came to, and write its page, unless nothing ran and it is up to date. @param warn told why there is no page */
export async function runEnd(
  pipeline: Pipeline,
  { status, runId, stages }: RunSummary,
  store: Store,
  warn: (diagnostic: Diagnostic) => void,
): Promise<RunEnd> {
  // Where nothing ran there is nothing new to say.
  const scores = status === "done" && runId !== undefined ? await scoresOf(pipeline, stages, store) : undefined;
  const page = await currentPage(pipeline, store, { ran: runId !== undefined, warn });
  return { ...scores && { scores }, page };
}

async function currentPage(
  pipeline: Pipeline,
  store: Store,
  { ran, warn }: { readonly ran: boolean; readonly warn: (diagnostic: Diagnostic) => void },
) {
  const views = store.viewsOf(pipeline.name);
  // Also what shows nothing new, such as a failure, is told on it.
  const there = ran ? undefined : views.upToDate(PAGE);
  if (there !== undefined) return there;
  const refuse = (why: Diagnostic) =>
    void warn({ ...why, severity: "warning", message: `no page of this run: ${why.message}` });
  const planner = Planner.make(pipeline, store);
  if (!planner.ok) return refuse(planner.diagnostics[0]!);
  const stages = planner.value.survey();
  if (stages.values().every(({ manifest }) => manifest === undefined)) return undefined;
  try {
    const { pipelinePage } = await import("./pipeline_report.ts");
    return views.write(PAGE, (await pipelinePage(pipeline, stages, store)).html);
  } catch (error) {
    const trouble = explainTrouble(error);
    if (trouble === undefined) throw error;
    return refuse(trouble);
  }
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
    const hasFigures = outputs.some(({ type }) => type === "metrics") && !isSelection(manifest.outputs);
    if (hasFigures && !before.has(id)) last.unshift([id, manifest]);
    if (hasFigures || before.has(id)) predecessorsOf(stage).forEach((one) => before.add(one));
  }
  const { own } = await figuresOf(experimentsOf(pipeline.name, last, store));
  // Few are shown: those of no axis come first, for children of a matrix are many.
  const hasAxis = ({ experiment }: MetricRow) => Number(!experiment.endsWith(SHARED));
  return own.flat().filter(isWhole).sort((a, b) => hasAxis(a) - hasAxis(b));
}
