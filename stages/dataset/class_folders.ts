import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ImageFacts } from "../../artifacts/facts.ts";
import { readOrientation } from "../../formats/jpeg/exif_orientation.ts";
import { isJpeg, readSegments } from "../../formats/jpeg/segments.ts";
import { classesIn, labelsOfFolders } from "./labels.ts";

/** A larger file is left to the run. */
const MOST_BYTES = 64 << 20;

/** Matches the names of files that are read as images. */
export const SUPPORTED_IMAGE = /\.(png|jpe?g)$/i;

/**
 * Returns the labels of a folder from its names alone, as reading the folder gives them. Returns nothing if only the
 * run finds out: if there are links, or images both in sub-folders and beside them.
 */
export function classesOf(root: string | undefined): Pick<ImageFacts, "classes" | "classNames"> {
  try {
    const paths = imagesIn(root!);
    const labels = labelsOfFolders(paths);
    if (typeof labels === "string" || paths.length === 0) return {};
    return labels === undefined ? { classes: null } : classesIn(labels);
  } catch {
    // Folders that cannot be read are reported together with the other paths.
    return {};
  }
}

/**
 * Returns the number of images in a folder; undefined where only the run finds out, as for links. The pictures beside a
 * result of type images are overviews of it.
 */
export function countImages(root: string): number | undefined {
  try {
    return existsSync(join(root, "images.json")) ? undefined : imagesIn(root).length;
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
    using file = Deno.openSync(join(root!, imagesIn(root!).sort()[0]!));
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

/** Returns the paths of all images. @throws if there is a link */
function imagesIn(root: string, folder = ""): string[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory, isSymlink }) => {
    if (name.startsWith(".")) return [];
    if (isSymlink) throw new Deno.errors.NotSupported();
    const path = `${folder}${name}`;
    return isDirectory ? imagesIn(root, `${path}/`) : SUPPORTED_IMAGE.test(name) ? [path] : [];
  });
}
