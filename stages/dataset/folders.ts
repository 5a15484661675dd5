import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { readOrientation } from "../../science/formats/jpeg/exif_orientation.ts";
import { isJpeg, readSegments } from "../../science/formats/jpeg/segments.ts";
import type { BrokenFiles } from "./items.ts";
import { classesIn, labelsOfFolders } from "./labels.ts";

/** A larger file is left to the run. */
const MOST_BYTES = 64 << 20;

/** Matches the names of files that are read as images. */
const SUPPORTED_IMAGE = /\.(png|jpe?g)$/i;
/**
 * Images that the user surely meant to include. Silently leaving them out would give a smaller data set than asked for.
 */
const UNSUPPORTED_IMAGE = /\.(webp|gif|bmp|tiff?|avif|heic|jxl)$/i;

export const NEITHER = "neither PNG nor JPEG; convert it, or move it elsewhere";

/** Says of names that the system could not decode. */
export const NOT_UTF8 = "a name that is not UTF-8; rename it";

/** Returns `image`, `other`, or why an image cannot be read. */
export function kindOfName(name: string): string {
  if (SUPPORTED_IMAGE.test(name)) return "image";
  return UNSUPPORTED_IMAGE.test(name) ? NEITHER : "other";
}

/** The files of a folder, by their names alone. */
export interface Listing {
  /** Paths with `/`, in code-unit order: the order must be the same on every machine. */
  readonly images: readonly string[];
  readonly broken: BrokenFiles;
  /** The number of other files, which are left out. */
  readonly others: number;
}

/**
 * Lists all images below a folder. Links are followed only within the folder: files elsewhere are not its content.
 * Hidden files are left out.
 */
export function listFolder(root: string): Listing {
  const images: string[] = [];
  const broken: BrokenFiles = new Map();
  let others = 0;
  const realRoot = Deno.realPathSync(root);
  const visit = (prefix: string, above: ReadonlySet<string>) => {
    const real = Deno.realPathSync(join(root, prefix));
    // A link back up would never end.
    if (above.has(real)) return;
    for (const { name, isSymlink, isDirectory } of Deno.readDirSync(real)) {
      if (name.startsWith(".")) continue;
      const path = `${prefix}${name}`;
      const kind = kindOfName(name);
      if (isSymlink && !leadsInside(join(root, path), realRoot)) {
        broken.set(path, "a link that leads out of the folder, or nowhere");
      } else if (isSymlink ? Deno.statSync(join(root, path)).isDirectory : isDirectory) {
        visit(`${path}/`, new Set([...above, real]));
      } else if (kind === "other") others++;
      else if (path.includes("\ufffd")) broken.set(path, NOT_UTF8);
      else if (kind === "image") images.push(path);
      else broken.set(path, kind);
    }
  };
  visit("", new Set());
  return { images: images.sort(), broken, others };
}

function leadsInside(link: string, realRoot: string): boolean {
  try {
    return `${Deno.realPathSync(link)}/`.startsWith(`${realRoot}/`);
  } catch {
    return false;
  }
}

/**
 * Returns the labels of a folder from its names alone, as reading the folder gives them. Returns nothing if only the
 * run finds out: if there are images both in sub-folders and beside them.
 */
export function classesOf(root: string | undefined): Pick<ImageFacts, "classes" | "classNames"> {
  try {
    const { images } = listFolder(root!);
    const labels = labelsOfFolders(images);
    if (typeof labels === "string" || images.length === 0) return {};
    return labels === undefined ? { classes: null } : classesIn(labels);
  } catch {
    // Folders that cannot be read are reported together with the other paths.
    return {};
  }
}

/**
 * Returns the number of images in a folder; undefined where only the run finds out. The pictures beside a result of
 * type images are overviews of it.
 */
export function countImages(root: string): number | undefined {
  try {
    return existsSync(join(root, "images.json")) ? undefined : listFolder(root).images.length;
  } catch {
    return undefined;
  }
}

/**
 * Returns height and width of the first image of a folder: without a param `size`, all have the same. Returns nothing
 * if only the run finds out.
 */
export function firstSize(root: string | undefined): readonly number[] {
  try {
    using file = Deno.openSync(join(root!, listFolder(root!).images[0]!));
    const start = new Uint8Array(Math.min(file.statSync().size, MOST_BYTES));
    file.readSync(start);
    if (isJpeg(start)) {
      const { height, width, exif } = readSegments(start);
      return readOrientation(exif) > 4 ? [width, height] : [height, width];
    }
    const isPng = new TextDecoder().decode(start.subarray(12, 16)) === "IHDR";
    return isPng ? [20, 16].map((at) => new DataView(start.buffer).getUint32(at)) : [];
  } catch {
    return [];
  }
}
