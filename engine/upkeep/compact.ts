import { join } from "node:path";
import { indexLineSchema, type Timing, timingSchema } from "../../schemas/records.ts";
import { removeTree, writeAtomically } from "../store/files.ts";
import { entriesOf, statIfThere } from "../store/reading.ts";
import { lastOf, shownNow } from "./inventory.ts";
import { lockNow } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import { readRecords } from "../store/records.ts";

/** Forecasts look at the last time of a stage and the largest of a kind; a few more tell how much they vary. */
const TIMINGS_KEPT = 20;

/**
 * Write files anew that runs only append to, without the lines that say nothing any more. Runs keep these files open, so
 * the caller must have made sure that no run is on.
 *
 * @returns bytes that were saved
 */
export function compactFiles(store: Store): number {
  let saved = compactIndex(store);
  for (const pipeline of store.shownPipelines()) saved += compactViews(store, pipeline);
  saved += rewrite(store.paths.timings, keepNewest(readRecords(store.paths.timings, timingSchema)));
  const known = new Set(store.results.keys());
  saved += rewrite(
    store.paths.differences,
    store.differences.all().filter(({ resolvedKey }) => known.has(resolvedKey)),
  );
  return saved + rewrite(store.paths.digests, store.digests.current);
}

function rewrite(path: string, lines: readonly unknown[]): number {
  const before = statIfThere(path)?.size;
  if (before === undefined) return 0;
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const after = new TextEncoder().encode(text).length;
  if (after >= before) return 0;
  writeAtomically(path, text);
  return before - after;
}

/** One line for each recipe whose result is there. Later lines win where two speak of one result, so order is kept. */
function compactIndex(store: Store): number {
  const known = new Set(store.results.keys());
  const lines = readRecords(store.paths.index, indexLineSchema).filter(({ manifest }) =>
    known.has(manifest.resolvedKey)
  );
  const saved = rewrite(store.paths.index, lastOf(lines, ({ recipeKey }) => recipeKey));
  store.results.forget();
  return saved;
}

function compactViews(store: Store, pipeline: string): number {
  const path = store.viewsPath(pipeline);
  using _lock = lockNow(`${path}.lock`);
  const saved = rewrite(path, shownNow(store, pipeline));
  store.viewsOf(pipeline).refresh();
  return saved;
}

function keepNewest(timings: readonly Timing[]): Timing[] {
  const byStage = Map.groupBy(
    timings,
    ({ pipeline, stage, kind, numerics }) => JSON.stringify([pipeline, stage, kind, numerics]),
  );
  const kept = new Set([...byStage.values()].flatMap((own) => own.slice(-TIMINGS_KEPT)));
  return timings.filter((timing) => kept.has(timing));
}

/** Remove lock files of stages that have neither results nor progress. Safe only while no run can wait for them. */
export function sweepLocks(store: Store, identities: ReadonlySet<string>): number {
  let removed = 0;
  for (const { name } of entriesOf(store.paths.locks)) {
    const identity = /^([0-9a-f]{64})\.lock$/.exec(name)?.[1];
    if (identity === undefined || identities.has(identity)) continue;
    removeTree(join(store.paths.locks, name));
    removed++;
  }
  return removed;
}
