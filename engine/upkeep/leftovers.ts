import { join } from "node:path";
import { isRunning } from "../store/is_running.ts";
import { entriesAt, entriesOf, statIfThere } from "../store/reading.ts";
import type { Store } from "../store/store.ts";
import { changedMs, measure } from "./inventory.ts";

/** What a process left behind that was killed, or set aside. */
export interface Leftover {
  readonly path: string;
  readonly bytes: number;
}

/** Written beside a file and then renamed to it: `index.jsonl.4711.0.tmp`. */
const TEMPORARY = /\.(\d+)\.\d+\.tmp$/;
/** A view on its way in or out: `.new-train-4711`. */
const VIEW = /^\.(?:new|old)-.+-(\d+)$/;
/** A folder of a run: it begins with the run's id, which ends in the process id. */
const SCRATCH = /^\d{8}T\d{9}-([0-9a-z]+)-/;

/**
 * Temporary files and folders of processes that are gone, and objects and manifests that were set aside as broken.
 * Process ids come around again, so what is young stays whoever it belongs to.
 */
export function findLeftovers(
  store: Store,
  { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
): Leftover[] {
  const found: Leftover[] = [];
  const take = (path: string, pid?: number) => {
    const info = statIfThere(path);
    if (info === undefined || nowMs - changedMs(info) <= graceMs) return;
    if (pid === undefined || !isRunning(pid)) found.push({ path, bytes: measure(path).bytes });
  };
  const temporary = (folder: string) => {
    for (const { name, isFile } of entriesOf(folder)) {
      const pid = isFile ? TEMPORARY.exec(name)?.[1] : undefined;
      if (pid !== undefined) take(join(folder, name), Number(pid));
    }
  };
  for (const folder of [store.root, store.paths.views, store.paths.cache, join(store.root, "tags")]) temporary(folder);
  for (const run of store.runs.ids()) temporary(store.runs.folderOf(run));
  for (const { path } of entriesAt(1, store.paths.results)) temporary(path);
  for (const root of [store.paths.objects, store.paths.results]) {
    for (const { name, path } of entriesAt(2, root)) if (name.endsWith(".broken")) take(path);
  }
  for (const { name } of entriesOf(store.temporaryRoot)) {
    const pid = SCRATCH.exec(name)?.[1];
    if (pid !== undefined) take(join(store.temporaryRoot, name), parseInt(pid, 36));
  }
  // Only folders of pipelines that this store has shown: what else lies in outputs/ is the user's.
  const pipelines = entriesOf(store.paths.views).flatMap(({ name }) => /^(.+)\.jsonl$/.exec(name)?.[1] ?? []);
  for (const pipeline of pipelines) {
    for (const { name } of entriesOf(join(store.paths.outputs, pipeline))) {
      const pid = VIEW.exec(name)?.[1];
      if (pid !== undefined) take(join(store.paths.outputs, pipeline, name), Number(pid));
    }
  }
  return found;
}
