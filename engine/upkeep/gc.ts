import { commandFor } from "../pipeline/command_for.ts";
import { dirname, join } from "node:path";
import { indexLineSchema, type Timing } from "../../schemas/records.ts";
import { errorOf, refuse, succeed, type ValueOf } from "../diagnostic/diagnostic.ts";
import { removeTree, writeAtomically } from "../store/files.ts";
import { curveFolder } from "../store/progress.ts";
import { entriesOf, statIfThere } from "../store/reading.ts";
import { isIoError } from "../store/io_errors.ts";
import { lockBlocking, tryExclusiveLock } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import { readRecords } from "../store/records.ts";
import { findLeftovers, lastOf, shownNow, type StoreInventory, takeInventory, takeNames } from "./inventory.ts";
import { chooseGarbage, type Garbage, type GcPolicy, type Inventory, type Keeper } from "./policy.ts";

const DAY_MS = 86_400_000;

/** The policy of `gc` without options: generous, since results cost hours to make again. */
const GC_DEFAULTS = { olderThanMs: 30 * DAY_MS, maxBytes: 100e9, keepRuns: 5, graceMs: 3_600_000 } as const;

/**
 * The number of timings that are kept for each stage. Forecasts use the last time of a stage and the largest of a kind;
 * a few more tell how much they vary.
 */
const TIMINGS_KEPT = 20;

export interface GcOptions extends Partial<GcPolicy> {
  /** True to report what would be removed, and touch nothing. */
  readonly dryRun: boolean;
  /** Called once if others rely on the store at this moment. */
  readonly onWait?: () => void;
}

export type GcReport = Readonly<ValueOf<typeof collectGarbage>>;

/**
 * Removes everything that nothing keeps. A manifest is removed before its objects, so a crash between the two leaves
 * unreferenced objects, never a result without its objects; and nobody finds or publishes results meanwhile.
 */
export async function collectGarbage(store: Store, options: GcOptions) {
  const { dryRun, onWait, nowMs = Date.now(), ...rest } = options;
  const policy: GcPolicy = { ...GC_DEFAULTS, ...rest, nowMs };
  const touches = !dryRun && statIfThere(store.paths.locks) !== undefined;
  try {
    using _alone = touches ? await store.guards.acquireExclusiveGcLock(onWait) : undefined;
    using unused = touches ? store.guards.tryExclusiveUse() : undefined;
    const inventory = takeInventory(store, { unused: unused !== undefined });
    const broken = inventory.brokenTags.map((name) => {
      const message = `Cannot read the tag "${name}", so what it keeps is not known`;
      const remove = commandFor("tag", { store }, "--delete", name);
      return errorOf("file-unreadable", message, `delete it with \`${remove}\`, or tag the results anew`);
    });
    if (broken.length > 0) return refuse(broken);
    const garbage = chooseGarbage(inventory, policy);
    const leftovers = findLeftovers(store, inventory.broken, policy);
    const report = describe(store, inventory, garbage, leftovers);
    const { failed, busy } = touches ? removeAll(store, garbage, leftovers) : { failed: [], busy: [] };
    const compacts = touches && unused !== undefined;
    return succeed({
      ...report,
      dryRun: !touches,
      /** Paths that should have been removed and could not be. */
      failed,
      /** Folders of saved states that a run has begun to work on meanwhile, and that stay for it. */
      busy,
      locks: compacts ? sweepLocks(store, inventory, garbage) : 0,
      /**
       * Bytes of outdated lines that were removed from append-only files; undefined while a run is in progress, which
       * keeps these files open.
       */
      compactedBytes: compacts ? compactFiles(store) : undefined,
    });
  } catch (error) {
    if (!isIoError(error)) throw error;
    const message = `Cannot clean up the store at ${store.root}: ${(error as Error).message}`;
    return refuse([errorOf("file-unreadable", message, "make it writable")]);
  }
}

/**
 * Removes garbage and leftovers.
 * @returns paths that could not be removed, and folders of progress that a run has begun to work on since the inventory
 */
function removeAll(store: Store, garbage: Garbage, leftovers: Inventory["files"]) {
  const failed: { path: string; message: string }[] = [];
  const busy: string[] = [];
  const attempt = (path: string, remove: () => void = () => removeTree(path)) => {
    try {
      remove();
    } catch (error) {
      // A starting run removes temporary folders too.
      if (error instanceof Deno.errors.NotFound) return;
      if (!isIoError(error)) throw error;
      failed.push({ path, message: (error as Error).message });
    }
  };
  for (const key of garbage.results.keys()) attempt(store.results.manifestPath(key), () => store.results.remove(key));
  for (const folder of garbage.progress.keys()) {
    attempt(folder, () => {
      if (!removeProgress(store, folder)) busy.push(folder);
    });
  }
  const objects = garbage.objects.keys().map((sha256) => store.objects.pathOf(sha256));
  const folders = garbage.runs.keys().map((id) => store.runs.folderOf(id));
  const paths = [...objects, ...folders, ...garbage.files.keys(), ...leftovers.map(({ path }) => path)];
  for (const path of paths) attempt(path);
  return { failed, busy };
}

/** Removes saved states. A stage that began after the inventory holds the lock of its progress, and keeps it. */
function removeProgress(store: Store, folder: string): boolean {
  const identity = dirname(folder);
  using lock = tryExclusiveLock(store.lockPath(identity.slice(-64)));
  if (lock === undefined) return false;
  removeTree(folder);
  removeTree(curveFolder(folder));
  if (entriesOf(identity).length === 0) removeTree(identity);
  return true;
}

function sum(parts: Iterable<{ readonly bytes: number }>) {
  const all = [...parts];
  return { count: all.length, bytes: all.reduce((total, { bytes }) => total + bytes, 0) };
}

function describe(store: Store, inventory: StoreInventory, garbage: Garbage, found: Inventory["files"]) {
  const { results, objects, progress, runs, files, bytesBefore, bytesAfter } = garbage;
  const kept: Partial<Record<Keeper, number>> = Object.create(null);
  for (const { key } of inventory.results) {
    const keeper = garbage.kept.get(key);
    if (keeper !== undefined) kept[keeper] = (kept[keeper] ?? 0) + 1;
  }
  const [names, kinds] = [takeNames(store), new Map(inventory.results.map(({ key, kind }) => [key, kind]))];
  const leftovers = sum(found);
  return {
    /** Sorted by last use, the oldest first; the name is `digits/train`, after the newest run that used the result. */
    results: [...results].map(([key, removal]) => {
      return { key, kind: kinds.get(key)!, name: names.get(key), ...removal };
    }),
    objects: sum(objects.values()),
    /** The number of objects that belonged to no result before. */
    looseObjects: [...objects.values()].filter(({ reason }) => reason === "belongs to nothing").length,
    progress: sum(progress.values()),
    runs: sum(runs.values()),
    /** Downloads. */
    files: sum(files.values()),
    /** Temporary files of killed processes, files that were set aside, and manifests that cannot be read. */
    leftovers,
    kept,
    bytesBefore: bytesBefore + leftovers.bytes,
    bytesAfter,
  };
}

/**
 * Rewrites files that runs only append to, without their outdated lines. Runs keep these files open, so the caller must
 * have made sure that no run is in progress.
 *
 * @returns the bytes that were saved
 */
function compactFiles(store: Store): number {
  const known = new Set(store.results.keys());
  const lines = readRecords(store.paths.index, indexLineSchema).filter((line) => known.has(line.manifest.resolvedKey));
  // One line for each recipe whose result exists. If two lines are about the same result, the later one wins, so order
  // is kept.
  let saved = rewrite(store.paths.index, lastOf(lines, ({ recipeKey }) => recipeKey));
  store.results.forget();
  for (const pipeline of store.shownPipelines()) saved += compactViews(store, pipeline);
  saved += rewrite(store.paths.timings, keepNewest(store.timings.all()));
  const differences = store.differences.all().filter(({ resolvedKey }) => known.has(resolvedKey));
  saved += rewrite(store.paths.differences, differences);
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

function compactViews(store: Store, pipeline: string): number {
  const path = store.viewsPath(pipeline);
  using _lock = lockBlocking(`${path}.lock`);
  const saved = rewrite(path, shownNow(store, pipeline));
  store.viewsOf(pipeline).refresh();
  return saved;
}

function keepNewest(timings: readonly Timing[]): Timing[] {
  const lineOf = ({ pipeline, stage, kind, numerics }: Timing) => JSON.stringify([pipeline, stage, kind, numerics]);
  const kept = new Set([...Map.groupBy(timings, lineOf).values()].flatMap((own) => own.slice(-TIMINGS_KEPT)));
  return timings.filter((timing) => kept.has(timing));
}

/** Removes lock files of stages that have neither results nor progress. Safe only while no run can wait for them. */
function sweepLocks(store: Store, inventory: Inventory, garbage: Garbage): number {
  const results = inventory.results.filter(({ key }) => !garbage.results.has(key));
  const progress = inventory.progress.filter(({ path }) => !garbage.progress.has(path));
  const identities = new Set([...results, ...progress].map(({ identityKey }) => identityKey));
  let removed = 0;
  for (const { name } of entriesOf(store.paths.locks)) {
    const identity = /^([0-9a-f]{64})\.lock$/.exec(name)?.[1];
    if (identity === undefined || identities.has(identity)) continue;
    removeTree(join(store.paths.locks, name));
    removed++;
  }
  return removed;
}
