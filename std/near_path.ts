import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { didYouMean } from "./did_you_mean.ts";

/** Returns the path if it exists, else an existing path whose folders and file have similar names. */
function nearPath(path: string): string | undefined {
  if (existsSync(path) || dirname(path) === path) return path;
  const folder = nearPath(dirname(path));
  try {
    const names = folder === undefined ? [] : readdirSync(folder);
    const near = didYouMean(basename(path), names);
    return near === undefined ? undefined : join(folder!, near);
  } catch {
    // There is no such folder, or it may not be listed.
    return undefined;
  }
}

/**
 * Returns the `fix` of an error about a missing file; undefined if there is no similar path.
 * @param written the path as the user wrote it, from whatever folder
 */
export function suggestPath(path: string, written: string): string | undefined {
  const near = nearPath(path);
  if (near === undefined || near === path) return undefined;
  const shown = join(dirname(written), relative(dirname(path), near));
  return `did you mean "${written.startsWith("./") ? "./" : ""}${shown}"?`;
}
