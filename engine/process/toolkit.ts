import { join } from "node:path";
import { SETTLE_MS } from "../store/digests.ts";
import { listFiles } from "../store/folders.ts";
import { factsAt, sha256Of, statIfThere } from "../store/reading.ts";
import { TOOLKIT_ROOT } from "./module_lock.ts";
import { TOOLKIT_FOLDERS } from "./own_frames.ts";

/** Files with the version of the toolkit and the packages that it depends on. */
const SINGLE = ["deno.json", "deno.lock"];

/** The state of the toolkit on disk, by the facts of its files. */
export type ToolkitState = Readonly<ReturnType<typeof toolkitState>>;

/**
 * Digests the toolkit as it lies on disk. A version number says too little about a clone that somebody works on. The
 * facts of some hundred files are read within a few milliseconds, and like remembered digests they miss no change.
 * @param more files of kinds that do not come with the toolkit
 * @returns the digest; and `settled`: true if this process runs what lies on disk, since no file changed since shortly
 * before the process started
 */
export function toolkitState(more: readonly string[] = [], root: string = TOOLKIT_ROOT) {
  const parts = TOOLKIT_FOLDERS.map((name) => join(root, name)).filter((path) => statIfThere(path) !== undefined);
  const own = parts.flatMap((part) => listFiles(part).files.map((path) => join(part, path)));
  // Folders list their files in no particular order.
  const files = [...more, ...SINGLE.map((name) => join(root, name)), ...own].sort();
  const found = files.map((path) => ({ path, facts: factsAt(path) }));
  const newest = Math.max(...found.map(({ facts }) => Math.max(facts?.mtimeMs ?? 0, facts?.ctimeMs ?? 0)));
  const digest = sha256Of(JSON.stringify([Deno.version.deno, found]));
  return { digest, settled: newest + SETTLE_MS <= performance.timeOrigin };
}
