import { basename, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { TOOLKIT_ROOT } from "./module_lock.ts";

/** Folders with the toolkit's code that decides what a pipeline file means. */
export const TOOLKIT_FOLDERS: readonly string[] =
  "artifacts contract diffusion engine formats metrics schemas stages std tensor".split(" ");

/** The toolkit's own modules; code of the user's own that lies elsewhere in the clone is not one of them. */
const TOOLKIT_PARTS = new RegExp(`^((mod|core|engine)\\.ts$|(cli|${TOOLKIT_FOLDERS.join("|")})/)`);

/** Whether a module comes with the toolkit. */
export function isToolkit(specifier: string): boolean {
  if (!specifier.startsWith("file:")) return false;
  return TOOLKIT_PARTS.test(relative(TOOLKIT_ROOT, fileURLToPath(specifier)).replaceAll("\\", "/"));
}

/** The innermost place in the user's own code among the frames of an error. */
export function ownPlace(frames: string): string | undefined {
  for (const [, url, at] of frames.matchAll(/(file:[^\s()]+?)(:\d+:\d+)/g)) {
    if (!isToolkit(url!)) return `${basename(fileURLToPath(url!))}${at}`;
  }
  return undefined;
}
