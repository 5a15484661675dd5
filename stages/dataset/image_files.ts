import { join } from "node:path";
import type { StageEnd } from "../../contract/stage.ts";
import type { DeepImage } from "../../formats/byte_image.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeJpeg, isJpeg } from "../../formats/jpeg/jpeg.ts";
import { decodePng, isPng } from "../../formats/png_decoder.ts";
import { countOf } from "../../std/count_of.ts";
import { SUPPORTED_IMAGE } from "./class_folders.ts";
import type { BrokenFiles } from "./items.ts";
import { readFile } from "./read_file.ts";

/** The image files of a folder, which may hold anything: they are listed and read with limits. */

const NEITHER = "neither PNG nor JPEG; convert it, or move it elsewhere";
/**
 * Images that the user surely meant to include. Silently leaving them out would give a smaller data set than asked for.
 */
const UNSUPPORTED_IMAGE = /\.(webp|gif|bmp|tiff?|avif|heic|jxl)$/i;

/** Says of names that the system could not decode. */
export const NOT_UTF8 = "a name that is not UTF-8; rename it";

/** Images that can be read, wherever they lie, and what else is there. */
export interface Files {
  /** Paths with `/`. */
  readonly images: readonly string[];
  readonly broken: BrokenFiles;
  /** The number of other files, which are left out. */
  readonly others: number;
  /** Labels that files beside images tell, by sample; see `sampleOf`. */
  readonly samples?: ReadonlyMap<string, unknown>;
  /** EDM's `dataset.json`. */
  readonly table?: Uint8Array | undefined;
  /** Yields the bytes of the chosen images, whose indices ascend, or what is wrong with them. */
  read(chosen: ArrayLike<number>): AsyncIterable<Uint8Array | string>;
}

/** Returns `image`, `other`, or why an image cannot be read. */
export function kindOfName(name: string): string {
  if (SUPPORTED_IMAGE.test(name)) return "image";
  return UNSUPPORTED_IMAGE.test(name) ? NEITHER : "other";
}

/** True for files and folders that systems hide, such as those that macOS adds to archives. */
export function isHidden(path: string): boolean {
  return /(^|\/)\./.test(path);
}

/**
 * Lists all images below a folder. Links are followed only within the folder: files elsewhere are not its content.
 * Hidden files are left out.
 *
 * @returns the images in the code-unit order of their paths
 */
export async function listImages(root: string): Promise<Files> {
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
      else {
        const kind = kindOfName(entry.name);
        if (kind === "other") others++;
        else if (path.includes("\ufffd")) broken.set(path, NOT_UTF8);
        else if (kind === "image") images.push(path);
        else broken.set(path, kind);
      }
    }
  };
  await visit("", new Set());
  // By code units: the order must be the same on every machine.
  images.sort();
  return {
    images,
    broken,
    others,
    async *read(chosen) {
      for (let i = 0; i < chosen.length; i++) {
        yield await readable(() => readFile(join(root, images[chosen[i]!]!), "file", MAX_FILE_BYTES));
      }
    },
  };
}

async function leadsInside(link: string, realRoot: string): Promise<boolean> {
  const target = await Deno.realPath(link).catch(() => "");
  return target === realRoot || target.startsWith(`${realRoot}/`);
}

/** Enough for an image of the most pixels that are read, almost uncompressed. */
export const MAX_FILE_BYTES = 512 << 20;

/**
 * Reads an image file in its own depth and channels. The format is detected from the bytes, not the name: many PNGs are
 * named .jpg.
 *
 * @returns the image, or what is wrong with the file
 */
export function decodeImage(bytes: Uint8Array): DeepImage | string {
  try {
    if (bytes.length === 0) return "an empty file";
    if (!isJpeg(bytes) && !isPng(bytes)) return NEITHER;
    return isJpeg(bytes) ? decodeJpeg(bytes) : decodePng(bytes);
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** Returns what is read, or what is wrong with it. */
export async function readable(read: () => Promise<Uint8Array>): Promise<Uint8Array | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** Further broken files are counted, not named: nobody reads longer lists. */
const MOST_NAMED = 100;

/** Returns what each broken file is, one a line. */
export function listBroken(broken: BrokenFiles): string {
  const named = [...broken].sort(([a], [b]) => a < b ? -1 : 1).slice(0, MOST_NAMED);
  const more = broken.size > named.length ? [`  and ${broken.size - named.length} more`] : [];
  return [...named.map(([path, reason]) => `  ${path}: ${reason}`), ...more].join("\n");
}

/**
 * Returns the failure of a stage whose folder holds broken files; `total` is the number of files that were examined.
 * @param unit of the items of a stage that can leave out what it cannot read
 */
export function brokenFiles(broken: BrokenFiles, total: number, unit?: "image" | "item"): StageEnd {
  const count = countOf(broken.size, unit === "item" ? unit : "file");
  const fix = `repair, replace or remove them${unit ? ", or set skip: unreadable to leave them out" : ""}`;
  return { status: "failed", message: `${count} of ${total} cannot be used:\n${listBroken(broken)}`, fix };
}

/** Tells apart the forms that images have, such as their sizes, with the number of each and its first. */
export class Forms {
  readonly #forms = new Map<string, { count: number; readonly first: string }>();

  add(form: string, name: string): void {
    this.#forms.getOrInsertComputed(form, () => ({ count: 0, first: name })).count++;
  }

  get size(): number {
    return this.#forms.size;
  }

  /** Lists the most common forms, for messages. */
  toString(): string {
    const most = [...this.#forms].sort(([, a], [, b]) => b.count - a.count).slice(0, 5);
    return most.map(([form, { count, first }]) => `${form} (${countOf(count, "image")}, the first ${first})`).join(
      ", ",
    );
  }
}
