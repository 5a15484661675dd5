import { join } from "node:path";
import { isAbandoned } from "../store/processes.ts";
import { entriesAt, entriesOf, statIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { changedMs, measure } from "./inventory.ts";
import type { GcPolicy } from "./policy.ts";

/** What a process left behind that was killed, or set aside. */
export interface Leftover {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Temporary files and folders of processes that are gone, and objects and manifests that were set aside as broken, or
 * that nobody can read. Process ids come around again, so what is young stays whoever it belongs to.
 * @param unreadable keys of manifests
 */
export function findLeftovers(
  store: Store,
  unreadable: readonly string[],
  { nowMs, graceMs }: Pick<GcPolicy, "nowMs" | "graceMs">,
): Leftover[] {
  const found: Leftover[] = [];
  const take = (path: string) => {
    const info = statIfThere(path);
    if (info === undefined || nowMs - changedMs(info) <= graceMs) return;
    found.push({ path, bytes: measure(path).bytes });
  };
  const takeAbandoned = (what: Parameters<typeof isAbandoned>[0], folder: string) => {
    for (const { name } of entriesOf(folder)) if (isAbandoned(what, name)) take(join(folder, name));
  };
  for (const key of unreadable) take(store.results.manifestPath(key));
  const { root, paths: { objects, results, tags, tmp, views, cache, outputs }, runs } = store;
  const written = [root, views, cache, tags, ...runs.ids().map((id) => runs.folderOf(id))];
  const shards = entriesAt(1, results).map(({ path }) => path);
  for (const folder of [...written, ...shards]) takeAbandoned("file", folder);
  for (const place of [objects, results]) {
    for (const { name, path } of entriesAt(2, place)) if (name.endsWith(".broken")) take(path);
  }
  takeAbandoned("run", tmp);
  // Of noiseline 0.1: digests of folders now lie with those of files.
  take(join(cache, "folders.jsonl"));
  // Only folders of pipelines that this store has shown: what else lies in outputs/ is the user's.
  for (const pipeline of store.shownPipelines()) takeAbandoned("view", join(outputs, pipeline));
  return found;
}
