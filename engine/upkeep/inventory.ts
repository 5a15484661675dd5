import { basename, dirname, join } from "node:path";
import { type ViewRecord, viewRecordSchema } from "../../schemas/records.ts";
import { entriesAt, entriesOf, isThere, statIfThere } from "../store/reading.ts";
import { isCurveFolder, savedSteps } from "../store/progress.ts";
import { filesOf } from "../store/results.ts";
import type { Store } from "../store/store.ts";
import { abandonedIn, isAbandoned } from "../store/run_ids.ts";
import { readRecords } from "../store/records.ts";
import { neededResults } from "../run/run_recorder.ts";

/** The contents of a store, and the records that cannot be judged. */
export type StoreInventory = Readonly<ReturnType<typeof takeInventory>>;

/** A file or folder that only saves time: a download, saved states. */
export interface StoredFile extends ReturnType<typeof measure> {
  readonly path: string;
}

/** Returns the later of both times: moving a file or making it read-only changes the second only. */
export function changedMs(info: Deno.FileInfo): number {
  return Math.max(info.mtime?.getTime() ?? 0, info.ctime?.getTime() ?? 0);
}

/**
 * Returns the bytes of a file or of all files below a folder, and the newest time of any. A run may change them
 * meanwhile.
 */
function measure(path: string): { bytes: number; changedMs: number } {
  const info = statIfThere(path);
  if (info === undefined) return { bytes: 0, changedMs: 0 };
  // The time of inode changes is not used, since copying or moving a store renews it.
  const own = { bytes: info.isDirectory ? 0 : info.size, changedMs: info.mtime?.getTime() ?? 0 };
  for (const { name } of info.isDirectory ? entriesOf(path) : []) {
    const below = measure(join(path, name));
    own.bytes += below.bytes;
    own.changedMs = Math.max(own.changedMs, below.changedMs);
  }
  return own;
}

/**
 * Lists the contents of a store.
 * @param unused true if it is certain that no run is in progress, whatever the records say
 */
export function takeInventory(store: Store, { unused }: { readonly unused: boolean }) {
  const { results, broken } = readResults(store);
  const runs = readRuns(store, unused);
  const tags = store.tags.names().map((name) => ({ name, record: store.tags.read(name) }));
  const shown = new Set(store.shownPipelines().flatMap((name) => shownNow(store, name)).map((one) => one.resolvedKey));
  const objects = [...listObjects(store)].filter(({ info }) => info.isFile);
  const downloads = [...entriesAt(1, store.paths.downloads)];
  return {
    results,
    /**
     * Keys whose manifests cannot be read and that the index does not know: these results are misses, and the next run
     * replaces them.
     */
    broken,
    objects: new Map(objects.map(({ sha256, info }) => [sha256, { bytes: info.size, changedMs: changedMs(info) }])),
    /** Saved states, each of one stage within one numerics; the newest step is undefined if nothing is saved. */
    progress: [...entriesAt(3, store.paths.progress)].filter(({ path }) => !isCurveFolder(path)).map(({ path }) => {
      return { path, identityKey: basename(dirname(path)), ...measure(path), newestStep: savedSteps(path)[0] };
    }),
    runs,
    // While a run is live, downloads are not looked at: one may be half there.
    files: runs.some(({ live }) => live) ? [] : downloads.map(({ path }) => ({ path, ...measure(path) })),
    /** Keys that tags name. */
    tagged: new Set(tags.flatMap(({ record }) => Object.values(record?.results ?? {}))),
    /** Tags whose records cannot be read, so that nobody knows what they keep. */
    brokenTags: tags.filter(({ record }) => record === undefined).map(({ name }) => name),
    /** Keys of the results that the folders of outputs show. */
    shown,
  };
}

/** Returns a name such as `digits/train` for the key of each result that a run has used, after the newest such run. */
export function takeNames(store: Store): Map<string, string> {
  const names = new Map<string, string>();
  for (const { runId, pipeline } of store.runs.newestFirst()) {
    for (const [stage, key] of Object.entries(store.runs.used(runId).results)) {
      names.getOrInsert(key, `${pipeline}/${stage}`);
    }
  }
  return names;
}

function readResults(store: Store) {
  const broken: string[] = [];
  const results = store.results.keys().flatMap((key) => {
    const info = statIfThere(store.results.manifestPath(key));
    if (info === undefined) return [];
    // A result that the index still serves exists, whatever became of its manifest.
    const manifest = store.results.recall(key);
    if (manifest === undefined) broken.push(key);
    if (manifest === undefined) return [];
    const { identityKey, extent, ingredients: { kind } } = manifest;
    const objects = filesOf(manifest).map(({ sha256 }) => sha256);
    // This is when the manifest was written; the times at which runs used the result come from the runs.
    return [{ key, kind, identityKey, extent, publishedMs: info.mtime?.getTime() ?? 0, objects }];
  });
  return { results, broken };
}

/** Yields all objects of a store, with their facts. */
export function* listObjects(store: Store): Generator<{ readonly sha256: string; readonly info: Deno.FileInfo }> {
  for (const { name: sha256, path } of entriesAt(2, store.paths.objects)) {
    const info = /^[0-9a-f]{64}$/.test(sha256) ? statIfThere(path) : undefined;
    if (info !== undefined) yield { sha256, info };
  }
}

function readRuns(store: Store, unused: boolean) {
  return store.runs.ids().map((id) => {
    const record = store.runs.read(id);
    const { bytes, changedMs } = measure(store.runs.folderOf(id));
    const used = store.runs.used(id);
    const ended = record?.endedAt ?? null;
    const live = !unused && record !== undefined && store.runs.stateOf(record) === "running";
    return {
      id,
      /** Undefined if the record cannot be read. */
      pipeline: record?.pipeline,
      live,
      lastMs: ended === null ? changedMs : Date.parse(ended),
      bytes,
      /** Keys of the results that the run needs. */
      results: neededResults(used, live),
      /** Identity keys of the stages that worked in the run. */
      identities: new Set(Object.values(used.progress)),
    };
  });
}

/** Returns the last line for each key, in the order of those lines. */
export function lastOf<T>(lines: readonly T[], keyOf: (line: T) => string): T[] {
  const last = new Map<string, T>();
  for (const line of lines) {
    last.delete(keyOf(line));
    last.set(keyOf(line), line);
  }
  return [...last.values()];
}

/** Returns what each folder of a pipeline's outputs shows. A folder that the user removed shows nothing. */
export function shownNow(store: Store, pipeline: string): ViewRecord[] {
  const shown = lastOf(readRecords(store.viewsPath(pipeline), viewRecordSchema), ({ stage }) => stage);
  return shown.filter(({ stage }) => isThere(join(store.paths.outputs, pipeline, stage)));
}

/**
 * Finds files that killed processes left behind or that were set aside: temporary files and folders of processes that
 * are gone, and objects and manifests that were set aside as broken or that cannot be read. Process ids are used again,
 * so young files stay, whoever they belong to.
 * @param unreadable keys of manifests that cannot be read
 */
export function findLeftovers(
  store: Store,
  unreadable: readonly string[],
  { nowMs, graceMs }: Readonly<Record<"nowMs" | "graceMs", number>>,
): StoredFile[] {
  const found: StoredFile[] = [];
  const take = (path: string) => {
    const info = statIfThere(path);
    if (info === undefined || nowMs - changedMs(info) <= graceMs) return;
    found.push({ path, ...measure(path) });
  };
  const takeAbandoned = (what: Parameters<typeof isAbandoned>[0], folder: string) => {
    for (const { name } of entriesOf(folder)) if (isAbandoned(what, name)) take(join(folder, name));
  };
  for (const key of unreadable) take(store.results.manifestPath(key));
  const { root, paths: { objects, results, tags, tmp, views, kept, outputs }, runs } = store;
  const written = [root, views, kept, tags, ...runs.ids().map((id) => runs.folderOf(id))];
  const folders = entriesAt(1, results).map(({ path }) => path);
  for (const folder of [...written, ...folders]) takeAbandoned("file", folder);
  for (const place of [objects, results]) {
    for (const { name, path } of entriesAt(2, place)) if (name.endsWith(".broken")) take(path);
  }
  abandonedIn(tmp).forEach(take);
  // Only folders of pipelines that this store has shown: everything else in outputs/ is the user's.
  for (const pipeline of store.shownPipelines()) takeAbandoned("view", join(outputs, pipeline));
  return found;
}
