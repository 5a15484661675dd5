/** A result as `gc` sees it. */
export interface StoredResult {
  readonly key: string;
  readonly identityKey: string;
  readonly extent: number | null;
  /** When its manifest was written; times at which runs used it come from the runs. */
  readonly publishedMs: number;
  /** SHA-256 of each file. */
  readonly objects: readonly string[];
}

/** A file or folder that only saves time: a download, saved states. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly changedMs: number;
}

/** Saved states of one stage within one numerics. */
export interface StoredProgress extends StoredFile {
  readonly identityKey: string;
  /** Undefined where nothing is saved. */
  readonly newestStep: number | undefined;
}

export interface StoredRun {
  readonly id: string;
  /** Undefined where the record cannot be read. */
  readonly pipeline: string | undefined;
  readonly live: boolean;
  readonly lastMs: number;
  readonly bytes: number;
  /** Keys of the results that it used. */
  readonly results: ReadonlySet<string>;
  /** Identity keys of the stages that worked in it. */
  readonly identities: ReadonlySet<string>;
}

/** What is in a store, as plain data. */
export interface Inventory {
  readonly results: readonly StoredResult[];
  readonly objects: ReadonlyMap<string, { readonly bytes: number; readonly changedMs: number }>;
  readonly progress: readonly StoredProgress[];
  readonly runs: readonly StoredRun[];
  readonly files: readonly StoredFile[];
  /** Keys that tags name. */
  readonly tagged: ReadonlySet<string>;
  /** Keys of the results that the folders of outputs show. */
  readonly shown: ReadonlySet<string>;
}

export interface GcPolicy {
  readonly nowMs: number;
  /** What was not used for so long goes. */
  readonly olderThanMs: number;
  /** Above this size of the store, what was used longest ago goes first. */
  readonly maxBytes: number;
  /** So many newest runs of each pipeline keep what they used. */
  readonly keepRuns: number;
  /** Objects that belong to nothing stay for so long: they may be on their way to a result. */
  readonly graceMs: number;
}

/** Why a result stays whatever its age and the size of the store. */
export type Keeper = "tag" | "outputs" | "run" | "live run" | "unfinished stage";

export type GarbageReason = "age" | "size" | "belongs to nothing";

export interface Removal {
  readonly reason: GarbageReason;
  /** What it frees: of a result, its files that no other result has. */
  readonly bytes: number;
  readonly lastUsedMs: number;
}

/** What to remove and what that leaves. */
export interface Garbage {
  readonly results: ReadonlyMap<string, Removal>;
  readonly objects: ReadonlyMap<string, Removal>;
  readonly progress: ReadonlyMap<string, Removal>;
  readonly runs: ReadonlyMap<string, Removal>;
  readonly files: ReadonlyMap<string, Removal>;
  readonly kept: ReadonlyMap<string, Keeper>;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/**
 * Decide what may go. Pure, so that it can be held against every store that a test can think of.
 *
 * A result stays if a tag names it, a folder of outputs shows it, one of the last runs of a pipeline or a live run used it,
 * or a run used it that was working on a stage that is unfinished. Of the rest, what is too old goes, and then, as long as
 * the store is too large, what was used longest ago.
 */
export function chooseGarbage(inventory: Inventory, policy: GcPolicy): Garbage {
  const keptRuns = findKeptRuns(inventory, policy);
  const unfinished = findUnfinished(inventory, policy, keptRuns);
  const kept = findKept(inventory, keptRuns, unfinished);
  return new Sweep({ inventory, policy, kept, keptRuns, unfinished }).garbage();
}

/** Live runs, and the newest of each pipeline. Ids of runs sort by start. */
function findKeptRuns({ runs }: Inventory, { keepRuns }: GcPolicy): Set<StoredRun> {
  const kept = new Set(runs.filter(({ live }) => live));
  const known = runs.filter(({ pipeline }) => pipeline !== undefined);
  for (const [, own] of Map.groupBy(known, ({ pipeline }) => pipeline)) {
    for (const run of own.sort((a, b) => a.id < b.id ? 1 : -1).slice(0, keepRuns)) kept.add(run);
  }
  return kept;
}

/** Identity keys of stages that somebody may want to resume, or is working on now. */
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
    if ([...run.identities].some((identity) => unfinished.has(identity))) keep(run.results, "unfinished stage");
  }
  return kept;
}

/** A thing that may go, and when it was used last. */
interface Candidate {
  readonly lastUsedMs: number;
  readonly id: string;
  readonly remove: (reason: GarbageReason) => void;
}

/** What has been decided before the sweep. */
interface Decided {
  readonly inventory: Inventory;
  readonly policy: GcPolicy;
  readonly kept: ReadonlyMap<string, Keeper>;
  readonly keptRuns: ReadonlySet<StoredRun>;
  readonly unfinished: ReadonlySet<string>;
}

class Sweep {
  readonly #gone = {
    results: new Map<string, Removal>(),
    objects: new Map<string, Removal>(),
    progress: new Map<string, Removal>(),
    runs: new Map<string, Removal>(),
    files: new Map<string, Removal>(),
  };
  /** How many results that stay name an object. */
  readonly #references = new Map<string, number>();
  #bytes = 0;

  constructor(private readonly decided: Decided) {}

  garbage(): Garbage {
    const { objects, progress, runs, files, results } = this.decided.inventory;
    for (const part of [objects.values(), progress, runs, files]) for (const { bytes } of part) this.#bytes += bytes;
    const bytesBefore = this.#bytes;
    for (const result of results) {
      for (const sha256 of new Set(result.objects)) {
        this.#references.set(sha256, (this.#references.get(sha256) ?? 0) + 1);
      }
    }
    for (const [sha256, { changedMs }] of objects) {
      const young = this.decided.policy.nowMs - changedMs <= this.decided.policy.graceMs;
      if (!this.#references.has(sha256) && !young) this.#dropObject(sha256, "belongs to nothing");
    }
    this.#dropRuns();
    const candidates = [...this.#resultsByUse(), ...this.#progressByUse(), ...this.#byUse(this.#gone.files, files)]
      .sort((a, b) => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1));
    for (const { lastUsedMs, remove } of candidates) {
      if (this.#isOld(lastUsedMs)) remove("age");
      else if (this.#bytes > this.decided.policy.maxBytes) remove("size");
      else break;
    }
    return { ...this.#gone, kept: this.decided.kept, bytesBefore, bytesAfter: this.#bytes };
  }

  #isOld(lastUsedMs: number): boolean {
    return this.decided.policy.nowMs - lastUsedMs > this.decided.policy.olderThanMs;
  }

  /** Runs are small and say what happened, so only their age counts. */
  #dropRuns(): void {
    for (const run of this.decided.inventory.runs) {
      const needed = [...run.identities].some((identity) => this.decided.unfinished.has(identity));
      if (this.decided.keptRuns.has(run) || needed || !this.#isOld(run.lastMs)) continue;
      this.#take(this.#gone.runs, run.id, { reason: "age", bytes: run.bytes, lastUsedMs: run.lastMs });
    }
  }

  #take(from: Map<string, Removal>, id: string, removal: Removal): void {
    from.set(id, removal);
    this.#bytes -= removal.bytes;
  }

  #resultsByUse(): Candidate[] {
    const usedMs = new Map<string, number>();
    for (const { results, lastMs } of this.decided.inventory.runs) {
      for (const key of results) usedMs.set(key, Math.max(usedMs.get(key) ?? 0, lastMs));
    }
    return this.decided.inventory.results.filter(({ key }) => !this.decided.kept.has(key)).map(
      ({ key, publishedMs, objects }) => {
        const lastUsedMs = Math.max(publishedMs, usedMs.get(key) ?? 0);
        const remove = (reason: GarbageReason) => {
          const before = this.#bytes;
          for (const sha256 of new Set(objects)) {
            const left = this.#references.get(sha256)! - 1;
            this.#references.set(sha256, left);
            // Young or not: nothing else can be on its way to them while nobody may publish.
            if (left === 0) this.#dropObject(sha256, reason);
          }
          this.#gone.results.set(key, { reason, bytes: before - this.#bytes, lastUsedMs });
        };
        return { id: key, lastUsedMs, remove };
      },
    );
  }

  #dropObject(sha256: string, reason: GarbageReason): void {
    const object = this.decided.inventory.objects.get(sha256);
    if (object === undefined) return;
    this.#take(this.#gone.objects, sha256, { reason, bytes: object.bytes, lastUsedMs: object.changedMs });
  }

  /** States of a result that stays are what a longer run would continue from. */
  #progressByUse(): Candidate[] {
    const { results, progress } = this.decided.inventory;
    const needed = new Set(this.decided.unfinished);
    for (const { key, identityKey } of results) if (this.decided.kept.has(key)) needed.add(identityKey);
    return this.#byUse(this.#gone.progress, progress.filter(({ identityKey }) => !needed.has(identityKey)));
  }

  #byUse(into: Map<string, Removal>, things: readonly StoredFile[]): Candidate[] {
    return things.map(({ path, bytes, changedMs: lastUsedMs }) => ({
      id: path,
      lastUsedMs,
      remove: (reason) => this.#take(into, path, { reason, bytes, lastUsedMs }),
    }));
  }
}
