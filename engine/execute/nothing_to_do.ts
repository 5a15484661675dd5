import type { Emit } from "../event/events.ts";
import { selectStages } from "../graph/select.ts";
import type { PipelineCache } from "../load/pipeline_cache.ts";
import type { Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import type { Store } from "../store/store.ts";

/**
 * The plan of a pipeline that is known without loading it and has nothing to do; undefined in every other case, which
 * the caller then meets by loading the file. Neither the kinds nor what runs them is loaded for this.
 */
export async function planNothing(
  cache: PipelineCache,
  store: Store,
  targets: readonly string[] = [],
): Promise<Plan | undefined> {
  const pipeline = await cache.read();
  if (pipeline === undefined) return undefined;
  const { stages, problems } = selectStages(pipeline, targets);
  if (problems.length > 0) return undefined;
  const planner = Planner.make(pipeline, store, { targets: stages });
  return planner.ok ? planner.value.planIfCached() : undefined;
}

/** Say of such a plan what a run of it says. */
export function finishNothing({ pipeline, stages }: Plan, emit: Emit, durationMs: number): void {
  const counts = { cached: stages.size, restored: 0, ran: 0, failed: 0, interrupted: 0, blocked: 0 };
  emit({ type: "run-finished", pipeline: pipeline.name, status: "done", counts, durationMs, runId: undefined });
}
