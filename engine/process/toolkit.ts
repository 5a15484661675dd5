import { join } from "node:path";
import { SETTLE_MS } from "../store/digests.ts";
import { listFiles } from "../store/folders.ts";
import { sha256Of, statIfThere } from "../store/reading.ts";
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
  const files = [...more, ...SINGLE.map((name) => join(root, name)), ...own];
  const facts: string[] = [];
  let newest = 0;
  for (const path of files) {
    const info = statIfThere(path);
    const times = [info?.mtime?.getTime() ?? 0, info?.ctime?.getTime() ?? 0];
    newest = Math.max(newest, ...times);
    facts.push([path, info?.dev, info?.ino, info?.size, ...times].join(" "));
  }
  // The order in which a folder lists its files is nobody's choice.
  const digest = sha256Of([Deno.version.deno, ...facts.sort()].join("\n"));
  return { digest, settled: newest + SETTLE_MS <= performance.timeOrigin };
}
