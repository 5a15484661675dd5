import { join } from "node:path";
import type { StageEnd } from "../../contract/stage.ts";
import type { ByteImage } from "../../formats/byte_image.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeJpeg, isJpeg } from "../../formats/jpeg/jpeg.ts";
import { decodePng, isPng } from "../../formats/png_decoder.ts";
import { countOf } from "../../std/count_of.ts";
import { SUPPORTED_IMAGE } from "./class_folders.ts";
import { readFile } from "./split.ts";

/** The image files of a folder, which may hold anything: they are listed and read with limits. */

const NEITHER = "neither PNG nor JPEG; convert it, or move it elsewhere";
/**
 * Images that the user surely meant to include. Silently leaving them out would give a smaller data set than asked for.
 */
const UNSUPPORTED_IMAGE = /\.(webp|gif|bmp|tiff?|avif|heic|jxl)$/i;

/**
 * Lists all images below a folder. Links are followed only within the folder: files elsewhere are not its content.
 * Hidden files are left out.
 *
 * @returns paths relative to the folder, with `/`, those of images in code-unit order; broken files; and the number of
 * other files, which are left out
 */
export async function listImages(root: string) {
  const images: string[] = [];
  const broken: BrokenFiles = new Map();
  let others = 0;
  const realRoot = await Deno.realPath(root);

  const visit = async (prefix: string, above: ReadonlySet<string>) => {
    const real = await Deno.realPath(join(root, prefix));
    // A link back up would never end.
    if (above.has(real)) return;
    for await (const entry of Deno.readDir(join(root, prefix))) {
      if (entry.name.startsWith(".")) continue;
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isSymlink && !await leadsInside(join(root, path), realRoot)) {
        broken.set(path, "a link that leads out of the folder, or nowhere");
        continue;
      }
      const isFolder = entry.isSymlink ? (await Deno.stat(join(root, path))).isDirectory : entry.isDirectory;
      if (isFolder) await visit(path, new Set([...above, real]));
      else if (SUPPORTED_IMAGE.test(entry.name)) images.push(path);
      else if (UNSUPPORTED_IMAGE.test(entry.name)) broken.set(path, NEITHER);
      else others++;
    }
  };
  await visit("", new Set());
  // By code units: the order must be the same on every machine.
  images.sort();
  return { images, broken, others };
}

async function leadsInside(link: string, realRoot: string): Promise<boolean> {
  const target = await Deno.realPath(link).catch(() => "");
  return target === realRoot || target.startsWith(`${realRoot}/`);
}

/** Enough for an image of the most pixels that are read, almost uncompressed. */
const MAX_FILE_BYTES = 512 << 20;

/**
 * Reads an image file. The format is detected from the bytes, not the name: many PNGs are named .jpg.
 * @returns the image, or what is wrong with the file
 */
export async function readImageFile(path: string): Promise<ByteImage | string> {
  try {
    const bytes = await readFile(path, "file", MAX_FILE_BYTES);
    if (bytes.length === 0) return "an empty file";
    if (!isJpeg(bytes) && !isPng(bytes)) return NEITHER;
    return isJpeg(bytes) ? decodeJpeg(bytes) : decodePng(bytes);
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** The reason why each file cannot be used, by its path relative to the folder, with `/`. */
type BrokenFiles = Map<string, string>;

/** Further broken files are counted, not named: nobody reads longer lists. */
const MOST_NAMED = 100;

/**
 * Returns the failure of a stage whose folder holds broken files; `total` is the number of files that were examined.
 */
export function brokenFiles(broken: BrokenFiles, total: number): StageEnd {
  const named = [...broken].sort(([a], [b]) => a < b ? -1 : 1).slice(0, MOST_NAMED);
  const more = broken.size > named.length ? [`  and ${broken.size - named.length} more`] : [];
  const lines = [...named.map(([path, reason]) => `  ${path}: ${reason}`), ...more];
  return {
    status: "failed",
    message: `${countOf(broken.size, "file")} of ${total} cannot be used:\n${lines.join("\n")}`,
    fix: "repair, replace or remove them",
  };
}
