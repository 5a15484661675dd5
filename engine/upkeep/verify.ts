import type { FileEntry, ResultManifest } from "../../schemas/records.ts";
import { holds, statIfThere } from "../store/reading.ts";
import { isIoError } from "../store/io_errors.ts";
import type { Store } from "../store/store.ts";
import { matchesKey } from "../keys/keys.ts";
import { listObjects, takeNames } from "./inventory.ts";

/** A file of a result that is damaged or missing. */
export interface Fault {
  readonly problem: "damaged" | "missing" | "unreadable manifest";
  /**
   * `digits/train`, after the newest run that used the result; undefined if no run is known or nothing needs the file.
   */
  readonly name: string | undefined;
  readonly resolvedKey: string | undefined;
  /** `port/path` in the result; undefined for an object that belongs to no result, and for a manifest. */
  readonly file: string | undefined;
  readonly sha256: string | undefined;
}

/**
 * Hashes every object again, or those of some results, whatever digests are remembered. Damaged objects are set aside,
 * so that the next run makes them again; an unreadable manifest that the index remembers is rewritten.
 *
 * @param only resolved keys; undefined for all results and all objects
 */
export async function verifyStore(store: Store, only?: ReadonlySet<string>) {
  const report = await tryListFiles(store, only);
  if (report.faults.some(({ problem }) => problem !== "missing")) await setAside(store, report.faults);
  return report;
}

/**
 * Sets damaged files aside. Nobody finds or publishes a result meanwhile, and each fault is checked once more, so that
 * nothing is removed that a run has made again since.
 */
async function setAside(store: Store, faults: readonly Fault[]): Promise<void> {
  // In a store that may only be read, the damage is reported all the same; a run would not serve it either.
  if (!store.prepare().ok) return;
  try {
    using _alone = await store.guards.acquireExclusiveGcLock();
    store.results.forget();
    for (const { problem, resolvedKey } of faults) {
      if (problem === "unreadable manifest") store.results.repairManifest(resolvedKey!, matchesKey);
    }
    for (const sha256 of new Set(faults.flatMap((one) => one.problem === "damaged" ? one.sha256! : []))) {
      if (lookAt(store, { sha256 }) === "damaged") store.objects.quarantine(sha256);
    }
  } catch (error) {
    if (!isIoError(error)) throw error;
  }
}

async function tryListFiles(store: Store, only: ReadonlySet<string> | undefined) {
  // Files that `gc` removed meanwhile would look as if they were missing.
  using _still = await store.guards.acquireSharedGcLock();
  const names = takeNames(store);
  const faults: Fault[] = [];
  const report = (problem: Fault["problem"], resolvedKey?: string, file?: string, sha256?: string) => {
    faults.push({ problem, name: names.get(resolvedKey ?? ""), resolvedKey, file, sha256 });
  };
  const seen = new Map<string, Fault["problem"] | undefined>();
  let bytes = 0;
  const look = (entry: Pick<FileEntry, "size" | "sha256">) =>
    seen.getOrInsertComputed(entry.sha256, () => {
      const problem = lookAt(store, entry);
      if (problem !== "missing") bytes += entry.size;
      return problem;
    });
  const manifests: ResultManifest[] = [];
  for (const resolvedKey of only ?? store.results.keys()) {
    const whole = store.results.readManifest(resolvedKey);
    if (whole === undefined) report("unreadable manifest", resolvedKey);
    const manifest = whole ?? store.results.recall(resolvedKey);
    if (manifest !== undefined) manifests.push(manifest);
  }
  for (const { resolvedKey, outputs } of manifests) {
    for (const [port, { files }] of Object.entries(outputs)) {
      for (const entry of files) {
        const problem = look(entry);
        if (problem !== undefined) report(problem, resolvedKey, `${port}/${entry.path}`, entry.sha256);
      }
    }
  }
  for (const { sha256, info: { size } } of only === undefined ? listObjects(store) : []) {
    const problem = seen.has(sha256) ? undefined : look({ sha256, size });
    if (problem !== undefined) report(problem, undefined, undefined, sha256);
  }
  return { results: manifests.length, objects: seen.size, bytes, faults };
}

/** Checks an object. @param entry the object, with its size if a record has it */
function lookAt(store: Store, entry: Pick<FileEntry, "sha256"> & Partial<FileEntry>): Fault["problem"] | undefined {
  const path = store.objects.pathOf(entry.sha256);
  const info = statIfThere(path);
  if (info === undefined) return "missing";
  return info.isFile && info.size === (entry.size ?? info.size) && holds(path, entry.sha256) ? undefined : "damaged";
}
