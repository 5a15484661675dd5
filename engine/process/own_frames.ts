import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { TOOLKIT_ROOT } from "./module_lock.ts";

/** Folders with the toolkit's code that decides what a pipeline file means. */
export const TOOLKIT_FOLDERS: readonly string[] = "artifacts engine package schemas science stages std".split(" ");

/** Matches paths of the toolkit's own modules, but not user code that lies elsewhere in the clone. */
const TOOLKIT_PARTS = new RegExp(`^(mod\\.ts$|(cli|pages|${TOOLKIT_FOLDERS.join("|")})/)`);

/**
 * Returns the path of a URL; undefined if the URL is not a file of this machine, as `file://host/a.ts` and
 * `file:///a%2Fb.ts`.
 */
export function pathOf(url: string): string | undefined {
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
}

/** Returns true if a module comes with the toolkit. */
export function isToolkit(specifier: string): boolean {
  const path = pathOf(specifier);
  return path !== undefined && TOOLKIT_PARTS.test(relative(TOOLKIT_ROOT, path).replaceAll("\\", "/"));
}

/**
 * The most lines of a stack, and the most characters of a line, that are read: code may print frames of its own making.
 */
const MAX_FRAMES = 100;
const MAX_FRAME = 5_000;

/** Returns the innermost place in user code among the frames of an error. */
export function ownPlace(frames: string): string | undefined {
  for (const line of frames.split("\n    at ", MAX_FRAMES)) {
    const cut = line.slice(0, MAX_FRAME);
    // Only the text from the last URL on is matched, so that the pattern is tried once.
    const [, url = "", at] = /^(file:\/\/\/[^\s()]+?)(:\d+:\d+)/.exec(cut.slice(cut.lastIndexOf("file:///"))) ?? [];
    const path = pathOf(url);
    if (path !== undefined && !isToolkit(url)) return `${basename(path)}${at}`;
  }
  return undefined;
}
