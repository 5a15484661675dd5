import { join } from "node:path";
import type { StageEnd } from "../../engine/contract/stage.ts";
import type { DeepImage } from "../../science/formats/byte_image.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { decodeJpeg, isJpeg } from "../../science/formats/jpeg/jpeg.ts";
import { decodePng, isPng } from "../../science/formats/png_decoder.ts";
import { countOf } from "../../std/count_of.ts";
import { listFolder, type Listing, NEITHER } from "./folders.ts";
import type { BrokenFiles } from "./items.ts";
import { readFile } from "./read_file.ts";

/** The image files of a folder, which may hold anything: they are listed and read with limits. */

/** Images that can be read, wherever they lie, and what else is there. */
export interface Files extends Listing {
  /** Labels that files beside images tell, by sample; see `sampleOf`. */
  readonly samples?: ReadonlyMap<string, unknown>;
  /** EDM's `dataset.json`. */
  readonly table?: Uint8Array | undefined;
  /** Yields the bytes of the chosen images, whose indices ascend, or what is wrong with them. */
  read(chosen: ArrayLike<number>): AsyncIterable<Uint8Array | string>;
}

/** True for files and folders that systems hide, such as those that macOS adds to archives. */
export function isHidden(path: string): boolean {
  return /(^|\/)\./.test(path);
}

/** Lists the images below a folder, and reads them. */
export function listImages(root: string): Files {
  const listing = listFolder(root);
  return {
    ...listing,
    async *read(chosen) {
      for (let i = 0; i < chosen.length; i++) {
        yield await readable(() => readFile(join(root, listing.images[chosen[i]!]!), "file", MAX_FILE_BYTES));
      }
    },
  };
}

/** Enough for an image of the most pixels that are read, almost uncompressed. */
export const MAX_FILE_BYTES = 512 << 20;

/**
 * Reads an image file in its own depth and channels. The format is detected from the bytes, not the name: many PNGs are
 * named .jpg.
 *
 * @returns the image, or what is wrong with the file
 */
export function decodeImage(bytes: Uint8Array): Promise<DeepImage | string> {
  return readable(() => {
    if (bytes.length === 0) return "an empty file";
    if (!isJpeg(bytes) && !isPng(bytes)) return NEITHER;
    return isJpeg(bytes) ? decodeJpeg(bytes) : decodePng(bytes);
  });
}

/** Returns what is read, or what is wrong with it. */
export async function readable<T>(read: () => T | Promise<T>): Promise<T | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** Further broken files are counted, not named, and so are further ones with one reason: nobody reads longer lists. */
const [MOST_LINES, MOST_ALIKE] = [100, 5];

/** Returns what each broken file is, one a line; many files with one reason share a line. */
export function listBroken(broken: BrokenFiles): string {
  const lines = [...Map.groupBy(broken.keys(), (path) => broken.get(path)!)].flatMap(([reason, paths]) => {
    const [first, second] = paths.sort();
    const names = paths.length > MOST_ALIKE ? [`${first}, ${second}, … (${paths.length} in all)`] : paths;
    return names.map((name) => `  ${name}: ${reason}`);
  }).sort();
  const more = lines.length > MOST_LINES ? [`  and ${lines.length - MOST_LINES} lines more`] : [];
  return [...lines.slice(0, MOST_LINES), ...more].join("\n");
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
