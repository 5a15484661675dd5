import { join } from "node:path";
import { copyFile, writeNew } from "../store/files.ts";
import { openRoot } from "../store/roots.ts";
import { TOOLKIT_CONFIG, TOOLKIT_LOCK } from "./runtime.ts";

/**
 * Flags that make a worker see the toolkit's imports. A module that is in Deno's cache for some other program's sake is
 * refused by the frozen lock, wherever it came from.
 */
export function moduleFlags(lock: string, frozen: boolean): string[] {
  return [
    "--cached-only",
    "--deny-import",
    `--config=${TOOLKIT_CONFIG}`,
    `--lock=${lock}`,
    ...(frozen ? ["--frozen"] : []),
  ];
}

/**
 * A custom stage may import packages that the toolkit's lock file does not list, so it gets a lock of its own. Frozen, it
 * also keeps out packages that its code does not name and that happen to be in Deno's cache.
 */
export function stageLock(folder: string, lock: string | undefined): string {
  if (lock === undefined) return TOOLKIT_LOCK;
  const path = join(folder, "deno.lock");
  writeNew(path, lock);
  return path;
}

/** A copy of the toolkit's lock that Deno may add to. */
export function looseLock(folder: string): string {
  const path = join(folder, "deno.lock");
  openRoot(folder);
  copyFile(TOOLKIT_LOCK, path);
  return path;
}
