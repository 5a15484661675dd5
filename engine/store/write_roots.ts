import { dirname, join, resolve, sep } from "node:path";
import { statIfThere } from "./reading.ts";
import { MisplacedError } from "./io_errors.ts";

/** Folders below which this process may write. */
const roots = new Set<string>();

/** Folders below a root that are known not to be links, like all folders between them and the root. */
const solid = new Set<string>();

/**
 * Allows writing below a folder. The path to the folder is its owner's business; below the folder neither a name nor a
 * link may lead out, whoever put it there.
 */
export function allowWritesBelow(folder: string): void {
  const root = resolve(folder);
  if (rootOf(root) === undefined) roots.add(root);
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** True if a path is the folder or inside it. Both must be absolute and without `..`; links are not followed. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || isBelow(path, folder);
}

function rootOf(path: string): string | undefined {
  return roots.values().find((root) => isWithin(path, root));
}

/**
 * Checks that a path stays below a root that was opened for writing.
 *
 * @throws RangeError if it does not, which is a bug of the caller
 * @throws MisplacedError if a link or a file is in the place of a folder on the path
 */
export function assertInside(path: string): void {
  const full = resolve(path);
  const root = rootOf(full);
  if (root === undefined) throw new RangeError(`Cannot happen: ${path} is below no folder that was opened for writing`);
  const looked: string[] = [];
  let wrong: string | undefined;
  for (let folder = dirname(full); folder.length > root.length && !solid.has(folder); folder = dirname(folder)) {
    const info = statIfThere(folder);
    if (info === undefined) continue;
    looked.push(folder);
    if (info.isDirectory) continue;
    const what = info.isSymlink ? "a link, which may lead anywhere" : "no folder";
    wrong = `Cannot write below ${folder}: it is ${what}; put a folder in its place`;
  }
  if (wrong !== undefined) throw new MisplacedError(wrong);
  for (const folder of looked) solid.add(folder);
}

/** As {@linkcode assertInside}, for a folder that may still have to be made, along with the folders above its root. */
export function assertFolder(path: string): void {
  const full = resolve(path);
  if (![...roots].some((root) => isWithin(root, full))) assertInside(join(full, "any"));
}

/**
 * Joins names to a path below a folder.
 * @throws RangeError if the path leads out of the folder: whoever read the names should have refused them
 */
export function inside(folder: string, ...names: readonly string[]): string {
  const path = join(folder, ...names);
  if (isBelow(path, join(folder))) return path;
  throw new RangeError(`Cannot happen: ${JSON.stringify(names.join("/"))} leads out of ${folder}`);
}
