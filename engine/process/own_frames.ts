import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { TOOLKIT_ROOT } from "./module_lock.ts";

/** Folders with the toolkit's code that decides what a pipeline file means. */
export const TOOLKIT_FOLDERS: readonly string[] =
  "artifacts contract diffusion engine formats metrics schemas stages std tensor".split(" ");

/** The toolkit's own modules; code of the user's own that lies elsewhere in the clone is not one of them. */
const TOOLKIT_PARTS = new RegExp(`^((mod|core|engine)\\.ts$|(cli|${TOOLKIT_FOLDERS.join("|")})/)`);

/** The path of an address; undefined of one that is no file of this machine, as `file://host/a.ts` and `file:///a%2Fb.ts`. */
export function pathOf(url: string): string | undefined {
  try {
    return fileURLToPath(url);
  } catch {
    return undefined;
  }
}

/** Whether a module comes with the toolkit. */
export function isToolkit(specifier: string): boolean {
  const path = pathOf(specifier);
  return path !== undefined && TOOLKIT_PARTS.test(relative(TOOLKIT_ROOT, path).replaceAll("\\", "/"));
}

/** Of a stack and of one of its lines no more is looked at: code may print frames of its own making. */
const MAX_FRAMES = 100;
const MAX_FRAME = 5_000;

/** The innermost place in the user's own code among the frames of an error. */
export function ownPlace(frames: string): string | undefined {
  for (const line of frames.split("\n    at ", MAX_FRAMES)) {
    const cut = line.slice(0, MAX_FRAME);
    // From the last address on alone, so that it is tried once.
    const [, url = "", at] = /^(file:\/\/\/[^\s()]+?)(:\d+:\d+)/.exec(cut.slice(cut.lastIndexOf("file:///"))) ?? [];
    const path = pathOf(url);
    if (path !== undefined && !isToolkit(url)) return `${basename(path)}${at}`;
  }
  return undefined;
}
