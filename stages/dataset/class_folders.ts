import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ImageFacts } from "../../artifacts/facts.ts";

/** Matches the names of files that are read as images. */
export const SUPPORTED_IMAGE = /\.(png|jpe?g)$/i;

/**
 * Returns the labels of a folder from its names alone, as reading the folder gives them. Returns nothing if only the
 * run finds out: if there are links, or images both in sub-folders and beside them.
 */
export function classesOf(root: string): Pick<ImageFacts, "classes" | "classNames"> {
  try {
    const entries = entriesOf(root);
    const folders = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
    const classNames = folders.filter((name) => holdsImages(join(root, name))).sort();
    const isLoose = entries.some(({ name, isDirectory }) => !isDirectory && SUPPORTED_IMAGE.test(name));
    if (isLoose === classNames.length > 0) return {};
    return isLoose ? { classes: null } : { classes: classNames.length, classNames };
  } catch {
    // Folders that cannot be read are reported together with the other paths.
    return {};
  }
}

function holdsImages(folder: string): boolean {
  return entriesOf(folder).some(({ name, isDirectory }) =>
    isDirectory ? holdsImages(join(folder, name)) : SUPPORTED_IMAGE.test(name)
  );
}

/**
 * Returns the number of images in a folder; undefined where only the run finds out, as for links. The pictures beside a
 * result of type images are overviews of it.
 */
export function countImages(root: string): number | undefined {
  const countIn = (folder: string): number =>
    entriesOf(folder).reduce((sum, { name, isDirectory }) => {
      return sum + (isDirectory ? countIn(join(folder, name)) : Number(SUPPORTED_IMAGE.test(name)));
    }, 0);
  try {
    return existsSync(join(root, "images.json")) ? undefined : countIn(root);
  } catch {
    return undefined;
  }
}

/** @throws if there is a link */
function entriesOf(folder: string): Deno.DirEntry[] {
  const entries = [...Deno.readDirSync(folder)].filter(({ name }) => !name.startsWith("."));
  if (entries.some(({ isSymlink }) => isSymlink)) throw new Deno.errors.NotSupported();
  return entries;
}
