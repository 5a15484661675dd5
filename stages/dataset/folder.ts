import { join } from "node:path";
import { countOf } from "../../std/count_of.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { brokenFiles, listImages, readImageFile } from "./image_files.ts";
import { cropSquare, flatten, resizeSquare } from "./pixels.ts";
import { type ReadDataset, splitByHash } from "./split.ts";

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
    const image = await readImageFile(join(path, names[index]!));
    if (typeof image === "string") broken.set(names[index]!, image);
    else pixels.set(resizeSquare(cropSquare(flatten(image, channels)), size).data, done * imageBytes);
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
