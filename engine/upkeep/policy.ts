import type { StoredFile, StoreInventory } from "./inventory.ts";

/** The contents of a store, as plain data. */
export type Inventory = Omit<StoreInventory, "broken" | "brokenTags">;

export type StoredRun = Inventory["runs"][number];

export interface GcPolicy {
  readonly nowMs: number;
  /** Results that were not used for so long are removed. */
  readonly olderThanMs: number;
  /** Above this size of the store, the results that were used longest ago are removed first. */
  readonly maxBytes: number;
  /** The number of newest runs of each pipeline that keep the results they used. */
  readonly keepRuns: number;
  /** How long unreferenced objects stay: they may be on their way to a result. */
  readonly graceMs: number;
}

/** The reason why a result stays, whatever its age and the size of the store. */
export type Keeper = "tag" | "outputs" | "run" | "live run" | "unfinished stage";

type GarbageReason = "age" | "size" | "belongs to nothing";

interface Removal {
  readonly reason: GarbageReason;
  /** The bytes that removal frees: for a result, those of files that no other result has. */
  readonly bytes: number;
  readonly lastUsedMs: number;
}

type Part = "results" | "objects" | "progress" | "runs" | "files";

/** The things to remove, by key, digest, path or id, and the size that the store then has. */
export type Garbage = Readonly<ReturnType<typeof chooseGarbage>>;

/**
 * Decides what may be removed. Pure, so that it can be tested against every store that a test can think of.
 *
 * A result stays if a tag names it, a folder of outputs shows it, one of the last runs of a pipeline or a live run used
 * it, or a run that was working on an unfinished stage used it. Of the other results, those that are too old are
 * removed, and then, as long as the store is too large, those that were used longest ago.
 */
export function chooseGarbage(inventory: Inventory, policy: GcPolicy) {
  const { results, objects, progress, runs, files } = inventory;
  const keptRuns = findKeptRuns(inventory, policy);
  const unfinished = findUnfinished(inventory, policy, keptRuns);
  const kept = findKept(inventory, keptRuns, unfinished);
  const gone: Record<Part, Map<string, Removal>> = {
    results: new Map(),
    objects: new Map(),
    progress: new Map(),
    runs: new Map(),
    files: new Map(),
  };
  const bytesBefore = [...objects.values(), ...progress, ...runs, ...files].reduce((sum, { bytes }) => sum + bytes, 0);
  let bytesAfter = bytesBefore;
  const take = (part: Part, id: string, removal: Removal) => {
    gone[part].set(id, removal);
    bytesAfter -= removal.bytes;
  };
  const isOld = (lastUsedMs: number) => policy.nowMs - lastUsedMs > policy.olderThanMs;

  /** The number of results that name each object. */
  const references = new Map<string, number>();
  for (const sha256 of results.flatMap(({ objects }) => [...new Set(objects)])) {
    references.set(sha256, (references.get(sha256) ?? 0) + 1);
  }
  const dropObject = (sha256: string, reason: GarbageReason) => {
    const object = objects.get(sha256);
    if (object !== undefined) take("objects", sha256, { reason, bytes: object.bytes, lastUsedMs: object.changedMs });
  };
  for (const [sha256, { changedMs }] of objects) {
    const young = policy.nowMs - changedMs <= policy.graceMs;
    if (!references.has(sha256) && !young) dropObject(sha256, "belongs to nothing");
  }
  // Runs are small and say what happened, so only their age counts.
  for (const run of runs) {
    if (keptRuns.has(run) || !unfinished.isDisjointFrom(run.identities) || !isOld(run.lastMs)) continue;
    take("runs", run.id, { reason: "age", bytes: run.bytes, lastUsedMs: run.lastMs });
  }

  /** Things that may be removed, and when each was used last. */
  const candidates: { id: string; lastUsedMs: number; remove: (reason: GarbageReason) => void }[] = [];
  const usedMs = new Map<string, number>();
  for (const run of runs) for (const key of run.results) usedMs.set(key, Math.max(usedMs.get(key) ?? 0, run.lastMs));
  for (const result of results) {
    if (kept.has(result.key)) continue;
    const lastUsedMs = Math.max(result.publishedMs, usedMs.get(result.key) ?? 0);
    const remove = (reason: GarbageReason) => {
      const before = bytesAfter;
      for (const sha256 of new Set(result.objects)) {
        const left = references.get(sha256)! - 1;
        references.set(sha256, left);
        // The age of the object does not matter: no other result can be about to use it while nobody may publish.
        if (left === 0) dropObject(sha256, reason);
      }
      gone.results.set(result.key, { reason, bytes: before - bytesAfter, lastUsedMs });
    };
    candidates.push({ id: result.key, lastUsedMs, remove });
  }
  const offer = (part: Part, { path, bytes, changedMs: lastUsedMs }: StoredFile) => {
    candidates.push({ id: path, lastUsedMs, remove: (reason) => take(part, path, { reason, bytes, lastUsedMs }) });
  };
  // A longer run would continue from the states of a result that stays.
  const needed = unfinished.union(new Set(results.filter(({ key }) => kept.has(key)).map((one) => one.identityKey)));
  for (const one of progress) if (!needed.has(one.identityKey)) offer("progress", one);
  for (const one of files) offer("files", one);

  candidates.sort((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
  for (const { lastUsedMs, remove } of candidates) {
    if (isOld(lastUsedMs)) remove("age");
    else if (bytesAfter > policy.maxBytes) remove("size");
    else break;
  }
  return { ...gone, kept, bytesBefore, bytesAfter };
}

/** Returns live runs, and the newest of each pipeline. Ids of runs sort by start. */
function findKeptRuns({ runs }: Inventory, { keepRuns }: GcPolicy): Set<StoredRun> {
  const kept = new Set(runs.filter(({ live }) => live));
  const known = runs.filter(({ pipeline }) => pipeline !== undefined);
  for (const [, own] of Map.groupBy(known, ({ pipeline }) => pipeline)) {
    for (const run of own.sort((a, b) => a.id < b.id ? 1 : -1).slice(0, keepRuns)) kept.add(run);
  }
  return kept;
}

/** Returns the identity keys of stages that somebody may want to resume, or is working on now. */
function findUnfinished(inventory: Inventory, policy: GcPolicy, keptRuns: ReadonlySet<StoredRun>): Set<string> {
  const reached = new Map<string, number>();
  for (const { identityKey, extent } of inventory.results) {
    reached.set(identityKey, Math.max(reached.get(identityKey) ?? 0, extent ?? Infinity));
  }
  const unfinished = new Set([...keptRuns].filter(({ live }) => live).flatMap(({ identities }) => [...identities]));
  for (const { identityKey, changedMs, newestStep } of inventory.progress) {
    const beyond = newestStep !== undefined && newestStep > (reached.get(identityKey) ?? 0);
    if (beyond && policy.nowMs - changedMs <= policy.olderThanMs) unfinished.add(identityKey);
  }
  return unfinished;
}

function findKept(
  { tagged, shown, runs }: Inventory,
  keptRuns: ReadonlySet<StoredRun>,
  unfinished: ReadonlySet<string>,
): Map<string, Keeper> {
  const kept = new Map<string, Keeper>();
  const keep = (keys: Iterable<string>, keeper: Keeper) => {
    for (const key of keys) if (!kept.has(key)) kept.set(key, keeper);
  };
  for (const run of keptRuns) if (run.live) keep(run.results, "live run");
  keep(tagged, "tag");
  keep(shown, "outputs");
  for (const run of keptRuns) keep(run.results, "run");
  // The inputs of a stage are results of the runs that worked on it.
  for (const run of runs) {
    if (!unfinished.isDisjointFrom(run.identities)) keep(run.results, "unfinished stage");
  }
  return kept;
}
