import type { RunRecord, TagRecord } from "../../schemas/records.ts";
import { refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import type { Plan } from "../plan/plan.ts";
import { isThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";

/**
 * The results of a pipeline as they are now, to be tagged or exported.
 * @param only stages to take; all when empty
 */
export function contentsOfPlan({ pipeline, stages }: Plan, only: readonly string[] = []): Result<TagRecord> {
  const chosen = [...stages].filter(([id]) => only.length === 0 || only.includes(id));
  const missing = chosen.filter(([, { manifest }]) => manifest === undefined).map(([id]) => id);
  if (missing.length > 0) {
    const shown = missing.slice(0, 5).map((id) => `"${id}"`).join(", ");
    const more = missing.length > 5 ? ` and ${missing.length - 5} more` : "";
    return refuse([{
      severity: "error",
      code: "check",
      message: `pipeline "${pipeline.name}" has no results yet of ${shown}${more}`,
      fix: "run it first",
    }]);
  }
  return succeed({
    format: 1,
    pipeline: pipeline.name,
    overrides: [...pipeline.profiles.map((name) => `--profile ${name}`), ...pipeline.overrides],
    results: Object.fromEntries(chosen.map(([id, { manifest }]) => [id, manifest!.resolvedKey])),
  });
}

/**
 * Keys of the results that stages have on record, whatever became of their files. A plan passes over a result that lacks
 * an object, and cannot know the keys of what reads it; a recipe still leads to those.
 *
 * @param only stages to take; all when empty
 */
export function recordsOfPlan({ stages }: Plan, store: Store, only: readonly string[] = []): Set<string> {
  const recorded = new Set<string>();
  for (const [id, { manifest, keys, recipeKey }] of stages) {
    if (only.length > 0 && !only.includes(id)) continue;
    const key = manifest?.resolvedKey ?? keys?.resolvedKey ?? store.results.byRecipe(recipeKey)?.resolvedKey;
    // A stage that never ran has no record; one that cannot be read is there all the same.
    if (key !== undefined && isThere(store.results.manifestPath(key))) recorded.add(key);
  }
  return recorded;
}

/** The results that a run made or found, as far as they are still there. */
export function contentsOfRun(run: RunRecord, store: Store): Result<TagRecord> {
  const used = Object.entries(store.runs.used(run.runId).results);
  const there = used.filter(([, key]) => store.results.byResolved(key) !== undefined);
  if (there.length === 0) {
    const message = `run ${run.runId} has no results in the store`;
    return refuse([{ severity: "error", code: "check", message, fix: "name another run, or run the pipeline again" }]);
  }
  return succeed({
    format: 1,
    pipeline: run.pipeline,
    overrides: run.overrides,
    results: Object.fromEntries(there),
  });
}
