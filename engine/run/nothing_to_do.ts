import type { ResultManifest } from "../../schemas/records.ts";
import type { RunFinished } from "./events.ts";
import { type DigestedExternals, digestExternals } from "../keys/externals.ts";
import { type Pipeline, selectStages } from "../pipeline/pipeline.ts";
import type { PipelineLoader } from "../pipeline/load/pipeline_loader.ts";
import type { Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import type { Store } from "../store/store.ts";
import { EarlierNote } from "./earlier.ts";
import { DoneRecord } from "./done_record.ts";
import type { RunSummary } from "./run_pipeline.ts";

/** A run that has nothing to do. */
export interface Nothing {
  readonly pipeline: string;
  /** How many stages it was asked for, all of them cached. */
  readonly stages: number;
  /** As a run tells it. */
  readonly earlier: readonly string[];
}

/**
 * The plan of a pipeline that is known without loading it and has nothing to do; undefined in every other case, which
 * the caller then meets by loading the file. Neither the kinds nor what runs them is loaded for this.
 */
export async function planNothing(
  loader: PipelineLoader,
  store: Store,
  targets: readonly string[] = [],
): Promise<Plan | undefined> {
  const pipeline = await loader.read();
  return pipeline && planIfCached(pipeline, store, targets);
}

/** The same where only the number of stages is asked for, which the last such run may have left behind. */
export async function findNothing(
  loader: PipelineLoader,
  store: Store,
  targets: readonly string[] = [],
): Promise<Nothing | undefined> {
  const pipeline = await loader.read();
  if (pipeline === undefined) return undefined;
  const { name } = pipeline;
  const outside = digestExternals(pipeline, store.digests);
  const note = new EarlierNote(pipeline, store);
  const record = targets.length === 0 ? new DoneRecord(store, pipeline, loader.kept!) : undefined;
  const known = record?.count(outside.externals);
  // While the record holds, only a run without a result can have left a note.
  if (known !== undefined) return { pipeline: name, stages: known, earlier: note.isThere ? note.renew() : [] };
  const plan = planIfCached(pipeline, store, targets, outside);
  if (plan === undefined) return undefined;
  record?.keep(manifestsOf(plan.stages));
  return { pipeline: name, stages: plan.stages.size, earlier: note.renew() };
}

/** Let the next run know that there is nothing to do, if this one reached all stages. */
export function keepDone(loader: PipelineLoader, store: Store, { status, plan, stages }: RunSummary): void {
  const { pipeline } = plan;
  if (status !== "done" || loader.kept === undefined) return;
  const manifests = manifestsOf(stages);
  if (manifests.size === pipeline.stages.size) new DoneRecord(store, pipeline, loader.kept).keep(manifests);
}

function manifestsOf(
  stages: ReadonlyMap<string, { readonly manifest?: ResultManifest }>,
): ReadonlyMap<string, ResultManifest> {
  return new Map([...stages].flatMap(([id, { manifest }]) => manifest === undefined ? [] : [[id, manifest]]));
}

function planIfCached(
  pipeline: Pipeline,
  store: Store,
  targets: readonly string[],
  digested: DigestedExternals = digestExternals(pipeline, store.digests),
): Plan | undefined {
  const { stages, problems } = selectStages(pipeline, targets);
  if (problems.length > 0) return undefined;
  const planner = Planner.make(pipeline, store, { targets: stages, externals: digested });
  return planner.ok ? planner.value.planIfCached() : undefined;
}

/** What a run says that has nothing to do. */
export function finishNothing({ pipeline, stages, earlier }: Nothing, durationMs: number): RunFinished {
  const counts = { cached: stages, restored: 0, ran: 0, failed: 0, interrupted: 0, blocked: 0 };
  return { type: "run-finished", pipeline, status: "done", counts, durationMs, runId: undefined, earlier };
}
