import { dirname } from "node:path";
import { type Diagnostic, errorOf, refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { removeTree } from "../store/files.ts";
import { entriesOf, statIfThere } from "../store/reading.ts";
import { isEnvironmental } from "../store/trouble.ts";
import { tryAlone } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import { compactFiles, sweepLocks } from "./compact.ts";
import { findLeftovers, type Leftover, type StoreInventory, takeInventory, takeNames } from "./inventory.ts";
import { chooseGarbage, type Garbage, type GcPolicy, type Inventory, type Keeper, type Removal } from "./policy.ts";

const DAY_MS = 86_400_000;

/** What `gc` does without options: generous, since what it removes costs hours to make again. */
const GC_DEFAULTS = { olderThanMs: 30 * DAY_MS, maxBytes: 100e9, keepRuns: 5, graceMs: 3_600_000 } as const;

export interface GcOptions extends Partial<GcPolicy> {
  /** Say what would go, and touch nothing. */
  readonly dryRun: boolean;
  /** Called once if others rely on the store at this moment. */
  readonly onWait?: () => void;
}

export interface RemovedResult extends Removal {
  readonly key: string;
  readonly kind: string;
  /** `digits/train`, after the newest run that used it. */
  readonly name: string | undefined;
}

export interface RemovedPart {
  readonly count: number;
  readonly bytes: number;
}

export interface GcReport {
  readonly dryRun: boolean;
  /** Oldest use first. */
  readonly results: readonly RemovedResult[];
  readonly objects: RemovedPart;
  /** How many of the objects belonged to no result before. */
  readonly looseObjects: number;
  readonly progress: RemovedPart;
  readonly runs: RemovedPart;
  /** Downloads. */
  readonly files: RemovedPart;
  /** Temporary files of killed processes, what was set aside, manifests that cannot be read. */
  readonly leftovers: RemovedPart;
  readonly locks: number;
  /** Lines of append-only files that said nothing any more; undefined while a run is on, which keeps them open. */
  readonly compactedBytes: number | undefined;
  readonly kept: Readonly<Partial<Record<Keeper, number>>>;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** What should have gone and would not. */
  readonly failed: readonly { readonly path: string; readonly message: string }[];
  /** Folders of saved states that a run began to work on meanwhile, and that stay for it. */
  readonly busy: readonly string[];
}

/**
 * Remove what nothing keeps. A manifest goes before its objects, so a crash between the two leaves objects that belong to
 * nothing, never a result without its objects; and nobody finds or publishes results meanwhile.
 */
export async function collectGarbage(store: Store, options: GcOptions): Promise<Result<GcReport>> {
  const { dryRun, onWait, nowMs = Date.now(), ...rest } = options;
  const policy: GcPolicy = { ...GC_DEFAULTS, ...rest, nowMs };
  const touches = !dryRun && statIfThere(store.paths.locks) !== undefined;
  try {
    using _alone = touches ? await store.guards.stopReliance(onWait) : undefined;
    using unused = touches ? store.guards.tryUnused() : undefined;
    const inventory = takeInventory(store, { unused: unused !== undefined });
    if (inventory.brokenTags.length > 0) return refuse(inventory.brokenTags.map(tagProblem));
    const garbage = chooseGarbage(inventory, policy);
    const leftovers = findLeftovers(store, inventory.broken, policy);
    const report = describe(store, { inventory, garbage, leftovers });
    const untouched = { dryRun: !touches, failed: [], busy: [], locks: 0, compactedBytes: undefined };
    if (!touches) return succeed({ ...report, ...untouched });
    const removed = { ...report, ...untouched, ...removeAll(store, garbage, leftovers) };
    if (unused === undefined) return succeed(removed);
    const locks = sweepLocks(store, remainingIdentities(inventory, garbage));
    return succeed({ ...removed, locks, compactedBytes: compactFiles(store) });
  } catch (error) {
    if (!isEnvironmental(error)) throw error;
    const message = `Cannot clean up the store at ${store.root}: ${(error as Error).message}`;
    return refuse([errorOf("file-unreadable", message, "make it writable")]);
  }
}

function tagProblem(name: string): Diagnostic {
  const message = `Cannot read the tag "${name}", so what it keeps is not known`;
  return errorOf("file-unreadable", message, `delete it with \`tag --delete ${name}\`, or tag the results anew`);
}

/** @returns what would not go, and folders of progress that a run has begun to work on since the inventory */
function removeAll(store: Store, garbage: Garbage, leftovers: readonly Leftover[]) {
  const failed: { path: string; message: string }[] = [];
  const busy: string[] = [];
  const attempt = (path: string, remove: () => void) => {
    try {
      remove();
    } catch (error) {
      // A run that starts sweeps temporary folders too.
      if (error instanceof Deno.errors.NotFound) return;
      if (!isEnvironmental(error)) throw error;
      failed.push({ path, message: (error as Error).message });
    }
  };
  for (const key of garbage.results.keys()) attempt(store.results.manifestPath(key), () => store.results.remove(key));
  for (const sha256 of garbage.objects.keys()) {
    const path = store.objects.pathOf(sha256);
    attempt(path, () => removeTree(path));
  }
  for (const folder of garbage.progress.keys()) {
    attempt(folder, () => {
      if (!removeProgress(store, folder)) busy.push(folder);
    });
  }
  const folders = [...garbage.runs.keys()].map((id) => store.runs.folderOf(id));
  for (const path of [...folders, ...garbage.files.keys(), ...leftovers.map(({ path }) => path)]) {
    attempt(path, () => removeTree(path));
  }
  return { failed, busy };
}

/** A stage that began after the inventory holds the lock of its progress, and keeps it. */
function removeProgress(store: Store, folder: string): boolean {
  const identity = dirname(folder);
  using lock = tryAlone(store.lockPath(identity.slice(-64)));
  if (lock === undefined) return false;
  removeTree(folder);
  if (entriesOf(identity).length === 0) removeTree(identity);
  return true;
}

function remainingIdentities(inventory: Inventory, garbage: Garbage): Set<string> {
  const results = inventory.results.filter(({ key }) => !garbage.results.has(key));
  const progress = inventory.progress.filter(({ path }) => !garbage.progress.has(path));
  return new Set([...results, ...progress].map(({ identityKey }) => identityKey));
}

function sum(parts: Iterable<{ readonly bytes: number }>): RemovedPart {
  const all = [...parts];
  return { count: all.length, bytes: all.reduce((total, { bytes }) => total + bytes, 0) };
}

interface Found {
  readonly inventory: StoreInventory;
  readonly garbage: Garbage;
  readonly leftovers: readonly Leftover[];
}

function describe(store: Store, { inventory, garbage, leftovers: found }: Found) {
  const { results, objects, progress, runs, files, bytesBefore, bytesAfter } = garbage;
  const kept: Partial<Record<Keeper, number>> = {};
  for (const { key } of inventory.results) {
    const keeper = garbage.kept.get(key);
    if (keeper !== undefined) kept[keeper] = (kept[keeper] ?? 0) + 1;
  }
  const names = takeNames(store);
  const leftovers = sum(found);
  return {
    results: [...results].map(([key, removal]): RemovedResult => {
      return { key, kind: inventory.manifests.get(key)!.ingredients.kind, name: names.get(key), ...removal };
    }),
    objects: sum(objects.values()),
    looseObjects: [...objects.values()].filter(({ reason }) => reason === "belongs to nothing").length,
    progress: sum(progress.values()),
    runs: sum(runs.values()),
    files: sum(files.values()),
    leftovers,
    kept,
    bytesBefore: bytesBefore + leftovers.bytes,
    bytesAfter,
  };
}
