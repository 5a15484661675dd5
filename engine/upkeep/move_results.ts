import { matchesKey } from "../keys/keys.ts";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { ResultManifest, RunRecord, TagRecord } from "../../schemas/records.ts";
import { CacheClient, type ClientOptions } from "../store/cache/client.ts";
import { FolderBackend } from "../store/cache/folder_backend.ts";
import { RESULTS, VERSION } from "../store/cache/layout.ts";
import { SharedCache } from "../store/cache/shared_cache.ts";
import { Uploads } from "../store/cache/transfers.ts";
import { type Diagnostic, errorOf, refuse, succeed } from "../diagnostic/diagnostic.ts";
import { entriesAt, entriesOf } from "../store/reading.ts";
import { filesOf, sameOutputs } from "../store/results.ts";
import { newRunId } from "../store/run_ids.ts";
import type { Store } from "../store/store.ts";
import { unlessReadable } from "../store/io_errors.ts";

/**
 * The run id in exported manifests. The real id depends on clock and host; without it, equal results make equal
 * folders.
 */
const ANY_RUN = "imported";

/**
 * Writes results into a folder that is, or becomes, a shared cache: what was there stays.
 *
 * @returns the number of results and of objects, and the bytes of the objects; with warnings about results of which the
 * folder has other bytes
 */
export async function exportResults(store: Store, folder: string, contents: TagRecord) {
  using _still = await store.guards.acquireSharedGcLock();
  const manifests = new Map<string, ResultManifest>();
  const gone: Diagnostic[] = [];
  for (const [stage, key] of Object.entries(contents.results)) {
    const manifest = store.results.recall(key);
    const message = `The result of "${stage}" is gone (${key.slice(0, 12)})`;
    if (manifest === undefined) gone.push(errorOf("check", message, "run the pipeline again"));
    else manifests.set(key, { ...manifest, runId: ANY_RUN });
  }
  if (gone.length > 0) return refuse(gone);

  const { there, isFolder, names } = lookAt(folder);
  if (there && !isFolder) return refuse([unusable(folder, "it is not a folder")]);
  if (names.length > 0 && !names.includes(VERSION)) {
    return refuse([unusable(folder, "it is not empty, and not a folder of results")]);
  }
  const client = new CacheClient(new FolderBackend(resolve(folder)), optionsFor(folder, () => {}));
  const ready = await client.prepare();
  if ("trouble" in ready) return refuse([unusable(folder, ready.trouble.message, ready.trouble.fix)]);

  const warnings: Diagnostic[] = [];
  const uploads = new Uploads(client, new Set(), (message) => {
    warnings.push({ severity: "warning", code: "cache", message });
  });
  for (const manifest of manifests.values()) {
    uploads.add({ manifest, recipeKey: manifest.recipeKey, objects: store.objects });
  }
  const { problem } = await uploads.finish();
  if (problem !== undefined) {
    const fix = problem.kind === "unfit" ? "run `verify`, then run the pipeline again" : problem.fix ?? OTHER_FOLDER;
    return refuse([errorOf("check", `Cannot export to ${folder}: ${problem.message}`, fix)]);
  }
  const objects = new Map([...manifests.values()].flatMap(filesOf).map(({ sha256, size }) => [sha256, size]));
  const bytes = objects.values().reduce((sum, size) => sum + size, 0);
  return succeed({ results: manifests.size, objects: objects.size, bytes }, warnings);
}

/**
 * Imports all results of a folder that is a shared cache into a store, as a run would take them: nothing enters that is
 * not what its name says. Importing again changes nothing.
 *
 * @returns the numbers of results, and keys, with warnings about what was not imported
 */
export async function importResults(store: Store, folder: string) {
  const { isFolder } = lookAt(folder);
  const names = isFolder ? Array.from(entriesAt(2, join(folder, RESULTS)), ({ name }) => name) : [];
  const keys = names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort();
  if (keys.length === 0) {
    const fix = "name a folder that `export` or `run --cache` wrote";
    return refuse([unusable(folder, isFolder ? "it holds no results" : "the folder does not exist", fix)]);
  }
  const prepared = store.prepare();
  if (!prepared.ok) return prepared;
  const warnings: Diagnostic[] = [];
  const warn = (message: string) => warnings.push({ severity: "warning", code: "cache", message });
  const options = optionsFor(folder, ({ message }) => warn(message));
  const cache = new SharedCache(new FolderBackend(resolve(folder)), "read", options);
  // Keys of results that have other bytes in the store, which keeps its own, and of results that are damaged or
  // incomplete.
  const [different, damaged]: [string[], string[]] = [[], []];
  const taken: RunRecord["stages"] = {};
  // Results that the store did not have, results that it had, and the bytes of the objects that were added.
  let [added, known, bytes] = [0, 0, 0];
  using _still = await store.guards.acquireSharedGcLock();
  const judge = (manifest: ResultManifest, key: string) => matchesKey(manifest, key) ? undefined : "damaged";
  for (const key of keys) {
    await cache.find([{ stage: `result ${key.slice(0, 12)}`, recipeKey: key, resolvedKey: key, judge }]);
    const theirs = cache.known(key);
    const own = store.results.readManifest(key);
    if (theirs === undefined) damaged.push(key);
    else if (own !== undefined && !sameOutputs(own, theirs)) different.push(key);
    // A known result is fetched too if an object of it is missing or damaged.
    else if (own !== undefined && filesOf(own).every((file) => store.objects.verify(file))) known++;
    else if (!await cache.fetch(own ?? theirs, store, { note: () => {}, warn })) damaged.push(key);
    else if (own !== undefined) known++;
    else {
      added++;
      const { ingredients: { kind }, resolvedKey, numerics } = theirs;
      const about = { perSecond: {}, figures: {}, fromStep: null, device: null, message: null };
      taken[`${kind}-${key.slice(0, 8)}`] = {
        ...{ state: "restored", resolvedKey, numerics, startedAt: null, durationMs: 0, ...about },
      };
      bytes += filesOf(theirs).reduce((sum, { size }) => sum + size, 0);
    }
  }
  if (added > 0) recordImport(store, folder, taken);
  return succeed({ added, known, bytes, different, damaged }, warnings);
}

/** Records an import among the runs, under a name of its own: a folder of results does not know their stages. */
function recordImport(store: Store, file: string, stages: RunRecord["stages"]): void {
  const now = new Date();
  const at = now.toISOString();
  store.runs.start({
    ...{ format: 1, runId: newRunId(now, Deno.pid), pipeline: ANY_RUN, file, overrides: [], status: "done", stages },
    ...{ startedAt: at, endedAt: at, pid: Deno.pid, host: hostname(), versions: {} },
  });
}

function lookAt(folder: string) {
  const info = unlessReadable(() => Deno.statSync(folder), undefined);
  const isFolder = info?.isDirectory === true;
  return { there: info !== undefined, isFolder, names: isFolder ? entriesOf(folder).map(({ name }) => name) : [] };
}

function optionsFor(name: string, warn: ClientOptions["warn"]): ClientOptions {
  return { name, warn, stop: new AbortController().signal };
}

const OTHER_FOLDER = "name another folder, or make room";

function unusable(folder: string, why: string, fix: string = OTHER_FOLDER): Diagnostic {
  return errorOf("file-unreadable", `Cannot use ${folder}: ${why}`, fix);
}
