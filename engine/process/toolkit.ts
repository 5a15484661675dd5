import { join } from "node:path";
import { SETTLE_MS } from "../store/digests.ts";
import { listFiles } from "../store/folders.ts";
import { factsAt, sha256Of, statIfThere } from "../store/reading.ts";
import { TOOLKIT_ROOT } from "./module_lock.ts";
import { TOOLKIT_FOLDERS } from "./own_frames.ts";

/** The version of the toolkit, and which packages it builds on. */
const SINGLE = ["deno.json", "deno.lock"];

/** The toolkit as it lies on disk, by the facts of its files. */
export type ToolkitState = Readonly<ReturnType<typeof toolkitState>>;

/**
 * A version number says too little of a clone that somebody works on. Some hundred file facts are had within a few
 * milliseconds, and like remembered digests they leave out no change.
 * @param more files of kinds that do not come with the toolkit
 * @returns as `settled` whether what this process runs is what lies there: no file changed since shortly before it started
 */
export function toolkitState(more: readonly string[] = [], root: string = TOOLKIT_ROOT) {
  const parts = TOOLKIT_FOLDERS.map((name) => join(root, name)).filter((path) => statIfThere(path) !== undefined);
  const own = parts.flatMap((part) => listFiles(part).files.map((path) => join(part, path)));
  // The order in which a folder lists its files is nobody's choice.
  const files = [...more, ...SINGLE.map((name) => join(root, name)), ...own].sort();
  const found = files.map((path) => ({ path, facts: factsAt(path) }));
  const newest = Math.max(...found.map(({ facts }) => Math.max(facts?.mtimeMs ?? 0, facts?.ctimeMs ?? 0)));
  const digest = sha256Of(JSON.stringify([Deno.version.deno, found]));
  return { digest, settled: newest + SETTLE_MS <= performance.timeOrigin };
}
