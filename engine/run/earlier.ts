import { type Result, succeed } from "../diagnostic/diagnostic.ts";
import { predecessorsOf } from "../keys/stage.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Plan } from "../plan/plan.ts";
import { Planner } from "../plan/planner.ts";
import type { Store } from "../store/store.ts";

/**
 * Stages whose folder in `outputs/` shows a result that this configuration would not give, and folders of stages that
 * the pipeline has no more.
 * @param stages a plan of the whole pipeline
 */
export function findEarlier({ pipeline, stages }: Pick<Plan, "pipeline" | "stages">, store: Store): string[] {
  const views = store.viewsOf(pipeline.name);
  const other = new Set<string>();
  for (const [id, { stage, keys, manifest, reasons }] of stages) {
    if (stage.shard !== undefined) continue;
    const key = keys?.resolvedKey ?? manifest?.resolvedKey;
    // Where the key is not known yet, what it waits for decides, unless something of its own has changed.
    const isOther = key === undefined
      ? reasons.some(({ code }) => code !== "upstream") ||
        predecessorsOf(stage).some((before) => other.has(before))
      : key !== views.shown(id)?.resolvedKey;
    if (isOther) other.add(id);
  }
  return [...[...other].filter((id) => views.isShown(id)), ...views.strangers(pipeline.stages)];
}

/** How all stages of a pipeline stand now, as far as that is known without looking at devices. */
export function survey(pipeline: Pipeline, store: Store): Result<Plan["stages"]> {
  const planner = Planner.make(pipeline, store);
  return planner.ok ? succeed(planner.value.survey()) : planner;
}
