import { join } from "node:path";
import { countOf } from "../../std/count_of.ts";
import type { StageEnd } from "../../contract/stage.ts";
import { FormatError } from "../../formats/format_error.ts";
import { decodeJpeg, isJpeg } from "../../formats/jpeg/jpeg.ts";
import { decodePng, isPng } from "../../formats/png_decoder.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { SUPPORTED_IMAGE } from "./class_folders.ts";
import { cropSquare, flatten, resizeSquare } from "./pixels.ts";
import { type ReadDataset, readFile, splitByHash } from "./split.ts";

/** Reads the images of a folder; each split is in code-unit order of the paths. */
export const read: ReadDataset = async (context) => {
  const { channels = 3, labels: wanted = "folders", limit } = context.params;
  // The kind's check makes sure that both are set.
  const [path, size] = [context.params.path!, context.params.size!];
  if (!(await Deno.stat(path)).isDirectory) {
    return { status: "failed", message: `${path} is a file`, fix: "set path to the folder of the images" };
  }
  const { images: names, broken, others } = await listImages(path);
  if (names.length === 0 && broken.size > 0) return brokenFiles(broken, broken.size);
  if (names.length === 0) {
    const fix = "set path to the folder of the images; sub-folders are looked into";
    return { status: "failed", message: `there is no PNG or JPEG file in ${path}`, fix };
  }
  const taken = Math.min(names.length, limit ?? names.length);
  const { testCount = Math.max(1, Math.floor(taken / 10)) } = context.params;
  if (testCount >= taken) {
    const message = `the test split leaves no images to train on: testCount ${testCount} of ${taken} images`;
    return { status: "failed", message, fix: "lower testCount or add images" };
  }
  const labels = wanted === "none" ? undefined : labelsOf(names);
  if (typeof labels === "string") {
    const fix = "sort the images into at most 256 sub-folders, or set labels: none";
    return { status: "failed", message: labels, fix };
  }
  if (others > 0) context.note(`skipped ${countOf(others, "file")} of another kind than images`);

  const { train, test } = splitByHash(names, { testCount, limit });
  // The images were chosen by their digests; they are stored in the order of their paths, in which people can find
  // them.
  const chosen = [train, test].flatMap((split) => split.sort((a, b) => a - b));
  const imageBytes = size ** 2 * channels;
  const examined = chosen.length + broken.size;
  const pixels = new Uint8Array(chosen.length * imageBytes);
  for (const [done, index] of chosen.entries()) {
    if (context.stop.aborted) return { status: "interrupted", step: 0 };
    const image = await readImage(join(path, names[index]!), size, channels);
    if (typeof image === "string") broken.set(names[index]!, image);
    else pixels.set(image, done * imageBytes);
    context.report({ done: done + 1, total: chosen.length, unit: "images" });
  }
  if (broken.size > 0) return brokenFiles(broken, examined);
  const splitOf = (from: number, to?: number) =>
    definedOnly({
      pixels: pixels.subarray(from * imageBytes, to && to * imageBytes),
      labels: labels && Uint8Array.from(chosen.slice(from, to), (i) => labels.labels[i]!),
    });
  return {
    form: { side: size, channels, classes: labels?.classNames.length ?? null },
    source: (split) => definedOnly({ name: "folder", split, classNames: labels?.classNames }),
    train: splitOf(0, train.length),
    test: splitOf(train.length),
  };
};

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
async function listImages(root: string) {
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
 * Reads an image file as a square of the wanted size. The format is detected from the bytes, not the name: many PNGs
 * are named .jpg.
 *
 * @returns uint8 [size, size, channels] row-major, or what is wrong with the file
 */
async function readImage(path: string, size: number, channels: 1 | 3): Promise<Uint8Array | string> {
  try {
    const bytes = await readFile(path, "file", MAX_FILE_BYTES);
    if (bytes.length === 0) return "an empty file";
    if (!isJpeg(bytes) && !isPng(bytes)) return NEITHER;
    const image = isJpeg(bytes) ? decodeJpeg(bytes) : decodePng(bytes);
    return resizeSquare(cropSquare(flatten(image, channels)), size).data;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** Labels are stored as bytes. */
const MOST_CLASSES = 256;

/**
 * Returns labels from the first sub-folder of each path, and the names of these sub-folders in code-unit order: a label
 * is an index into the names.
 *
 * @returns undefined if all images are in the folder itself; an error message if the folder has no clear labels
 */
function labelsOf(paths: readonly string[]) {
  const loose = paths.filter((path) => !path.includes("/"));
  if (loose.length === paths.length) return undefined;
  if (loose.length > 0) {
    const some = loose.slice(0, 5).join(", ");
    const are = loose.length === 1 ? "is" : "are";
    return `${loose.length} of ${paths.length} images ${are} not in one of the sub-folders that name labels: ${some}`;
  }
  const folders = paths.map((path) => path.slice(0, path.indexOf("/")));
  const classNames = [...new Set(folders)].sort();
  if (classNames.length > MOST_CLASSES) {
    return `${classNames.length} sub-folders: at most ${MOST_CLASSES} can be labels`;
  }
  const places = new Map(classNames.map((name, place) => [name, place]));
  return { classNames, labels: Uint8Array.from(folders, (name) => places.get(name)!) };
}

/** The reason why each file cannot be used, by its path relative to the folder, with `/`. */
type BrokenFiles = Map<string, string>;

/** Further broken files are counted, not named: nobody reads longer lists. */
const MOST_NAMED = 100;

/**
 * Returns the failure of a stage whose folder holds broken files; `total` is the number of files that were examined.
 */
function brokenFiles(broken: BrokenFiles, total: number): StageEnd {
  const named = [...broken].sort(([a], [b]) => a < b ? -1 : 1).slice(0, MOST_NAMED);
  const more = broken.size > named.length ? [`  and ${broken.size - named.length} more`] : [];
  const lines = [...named.map(([path, reason]) => `  ${path}: ${reason}`), ...more];
  return {
    status: "failed",
    message: `${countOf(broken.size, "file")} of ${total} cannot be used:\n${lines.join("\n")}`,
    fix: "repair, replace or remove them",
  };
}
