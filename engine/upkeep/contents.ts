import type { RunRecord, TagRecord } from "../../schemas/records.ts";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import type { Plan, PlannedAction } from "../plan/plan.ts";
import { isThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";

/** Returns the results of a pipeline as they are now, to be tagged or exported. */
export function contentsOfPlan(plan: Pick<Plan, "pipeline" | "stages">, store: Store): Result<TagRecord> {
  const { pipeline, stages } = plan;
  const { damaged, absent } = missingOfPlan(plan, store);
  const problems = [
    ...problemOf(`pipeline "${pipeline.name}" has no results yet of`, absent, "run it first"),
    ...problemOf(`pipeline "${pipeline.name}" has damaged results of`, damaged, "run it again, which makes them anew"),
  ];
  if (problems.length > 0) return refuse(problems);
  return succeed({
    format: 1,
    pipeline: pipeline.name,
    overrides: [...pipeline.profiles.map((name) => `--profile ${name}`), ...pipeline.overrides],
    results: Object.fromEntries([...stages].map(([id, { manifest }]) => [id, manifest!.resolvedKey])),
  });
}

function problemOf(what: string, ids: readonly string[], fix: string): Diagnostic[] {
  if (ids.length === 0) return [];
  const shown = ids.slice(0, 5).map((id) => `"${id}"`).join(", ");
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : "";
  return [errorOf("check", `${what} ${shown}${more}`, fix)];
}

/**
 * Returns the stages of a plan without a usable result: those whose own result is damaged, and those that have none.
 */
function missingOfPlan({ stages }: Pick<Plan, "stages">, store: Store): { damaged: string[]; absent: string[] } {
  const missing = [...stages].filter(([, { manifest }]) => manifest === undefined);
  const recorded = missing.filter(([, planned]) => recordedKey(planned, store) !== undefined);
  // Stages that only read a damaged result are served again once that result is back.
  const own = recorded.filter(([, { keys }]) => keys !== undefined);
  return {
    damaged: (own.length > 0 ? own : recorded).map(([id]) => id),
    absent: missing.filter((one) => !recorded.includes(one)).map(([id]) => id),
  };
}

/**
 * Returns the keys of the results that stages have on record, whatever became of the files. A plan passes over a result
 * that lacks an object, and cannot know the keys of the stages that read it; their recipes still lead to their results.
 *
 * @param only stages to take; all when empty
 */
export function recordsOfPlan({ stages }: Plan, store: Store, only: readonly string[] = []): Set<string> {
  const asked = [...stages].filter(([id]) => only.length === 0 || only.includes(id));
  return new Set(asked.flatMap(([, planned]) => recordedKey(planned, store) ?? []));
}

function recordedKey({ manifest, keys, recipeKey }: PlannedAction, store: Store): string | undefined {
  const key = manifest?.resolvedKey ?? keys?.resolvedKey ?? store.results.byRecipe(recipeKey)?.resolvedKey;
  // A stage that never ran has no record; a record that cannot be read counts all the same.
  return key !== undefined && isThere(store.results.manifestPath(key)) ? key : undefined;
}

/** Returns the results that a run made or found, as far as they are still there. */
export function contentsOfRun(run: RunRecord, store: Store): Result<TagRecord> {
  const used = Object.entries(store.runs.used(run.runId).results);
  const there = used.filter(([, key]) => store.results.byResolved(key) !== undefined);
  if (there.length === 0) {
    const message = `run ${run.runId} has no results in the store`;
    return refuse([errorOf("check", message, "name another run, or run the pipeline again")]);
  }
  return succeed({
    format: 1,
    pipeline: run.pipeline,
    overrides: run.overrides,
    results: Object.fromEntries(there),
  });
}
