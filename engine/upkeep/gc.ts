import { dirname } from "node:path";
import { refuse, type Result, succeed } from "../diagnostic/diagnostic.ts";
import { removeTree } from "../store/files.ts";
import { entriesOf, statIfThere } from "../store/reading.ts";
import { isEnvironmental } from "../store/trouble.ts";
import { tryAlone } from "../store/locks.ts";
import type { Store } from "../store/store.ts";
import { compactFiles, sweepLocks } from "./compact.ts";
import { type Looked, takeInventory } from "./inventory.ts";
import { findLeftovers, type Leftover } from "./leftovers.ts";
import { chooseGarbage, type Garbage, type GcPolicy, type Keeper, type Removal } from "./policy.ts";

const DAY_MS = 86_400_000;

/** What `gc` does when it is told nothing: generous, since what it removes costs hours to make again. */
export const GC_DEFAULTS = { olderThanMs: 30 * DAY_MS, maxBytes: 100e9, keepRuns: 5, graceMs: 3_600_000 } as const;

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
  if (dryRun || statIfThere(store.paths.locks) === undefined) {
    const looked = look(store, policy, false);
    if (!looked.ok) return looked;
    return succeed({
      ...describe(looked.value),
      dryRun: true,
      failed: [],
      busy: [],
      locks: 0,
      compactedBytes: undefined,
    });
  }
  try {
    using _alone = await store.guards.stopReliance(onWait);
    using unused = store.guards.tryUnused();
    const looked = look(store, policy, unused !== undefined);
    if (!looked.ok) return looked;
    const left = removeAll(store, looked.value);
    const removed = { ...describe(looked.value), dryRun: false, ...left };
    if (unused === undefined) return succeed({ ...removed, locks: 0, compactedBytes: undefined });
    const locks = sweepLocks(store, remainingIdentities(looked.value));
    return succeed({ ...removed, locks, compactedBytes: compactFiles(store) });
  } catch (error) {
    if (!isEnvironmental(error)) throw error;
    const message = `Cannot clean up the store at ${store.root}: ${(error as Error).message}`;
    return refuse([{ severity: "error", code: "file-unreadable", message, fix: "make it writable" }]);
  }
}

/** What is there, and what of it may go. */
interface Found extends Looked {
  readonly garbage: Garbage;
  readonly leftovers: readonly Leftover[];
}

function look(store: Store, policy: GcPolicy, unused: boolean): Result<Found> {
  const looked = takeInventory(store, { unused });
  if (looked.brokenTags.length > 0) return refuse(looked.brokenTags.map(tagProblem));
  const garbage = chooseGarbage(looked.inventory, policy);
  return succeed({ ...looked, garbage, leftovers: findAllLeftovers(store, looked, policy) });
}

function tagProblem(name: string) {
  return {
    severity: "error",
    code: "file-unreadable",
    message: `Cannot read the tag "${name}", so the results it keeps are unknown`,
    fix: `delete it with \`tag --delete ${name}\`, or tag the results anew`,
  } as const;
}

function findAllLeftovers(store: Store, { broken }: Looked, policy: GcPolicy): Leftover[] {
  const manifests = broken.map((key) => store.results.manifestPath(key)).flatMap((path) => {
    const info = statIfThere(path);
    const old = info?.mtime !== null && info !== undefined && policy.nowMs - info.mtime.getTime() > policy.graceMs;
    return old ? [{ path, bytes: info.size }] : [];
  });
  return [...manifests, ...findLeftovers(store, policy)];
}

/** @returns what would not go, and folders of progress that a run has begun to work on since the inventory */
function removeAll(store: Store, { garbage, leftovers }: Found) {
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

function remainingIdentities({ inventory, garbage }: Found): Set<string> {
  const results = inventory.results.filter(({ key }) => !garbage.results.has(key));
  const progress = inventory.progress.filter(({ path }) => !garbage.progress.has(path));
  return new Set([...results, ...progress].map(({ identityKey }) => identityKey));
}

function describe({ inventory, names, manifests, garbage, leftovers }: Found) {
  const part = (removed: ReadonlyMap<string, Removal>): RemovedPart => ({
    count: removed.size,
    bytes: [...removed.values()].reduce((sum, { bytes }) => sum + bytes, 0),
  });
  const kept: Partial<Record<Keeper, number>> = {};
  for (const { key } of inventory.results) {
    const keeper = garbage.kept.get(key);
    if (keeper !== undefined) kept[keeper] = (kept[keeper] ?? 0) + 1;
  }
  const leftoverBytes = leftovers.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    results: [...garbage.results].map(([key, removal]): RemovedResult => ({
      key,
      kind: manifests.get(key)!.ingredients.kind,
      name: names.get(key),
      ...removal,
    })),
    objects: part(garbage.objects),
    looseObjects: [...garbage.objects.values()].filter(({ reason }) => reason === "belongs to nothing").length,
    progress: part(garbage.progress),
    runs: part(garbage.runs),
    files: part(garbage.files),
    leftovers: { count: leftovers.length, bytes: leftoverBytes },
    kept,
    bytesBefore: garbage.bytesBefore + leftoverBytes,
    bytesAfter: garbage.bytesAfter,
  };
}
