import { dirname, join } from "node:path";
import { readTextIfThere, realPath } from "../store/reading.ts";
import { findStoreRoot } from "../store/store.ts";
import { isWithin } from "../store/write_roots.ts";

/** The project of each folder that was asked about; a pipeline may have thousands of stages. */
const projects = new Map<string, string>();

/**
 * Returns the folder that a pipeline belongs to as a whole: that of the nearest deno.json, or of the workspace above
 * it.
 */
export function projectOf(folder: string): string {
  return projects.getOrInsertComputed(folder, () => {
    let project = dirname(findStoreRoot(folder));
    for (let at = project; dirname(at) !== at; at = dirname(at)) {
      const texts = ["deno.json", "deno.jsonc"].map((name) => readTextIfThere(join(at, name)) ?? "");
      if (texts.some((text) => /"workspace"\s*:/.test(text))) project = at;
    }
    return realPath(project);
  });
}

/** Returns the real paths of those files that lie outside a project. */
export function beyondProject(files: readonly string[], project: string): string[] {
  return files.map(realPath).filter((path) => !isWithin(path, project));
}
