import type { OutputArtifact, StageEnd } from "../../../contract/stage.ts";
import { writeImages } from "../../../artifacts/images.ts";
import type { DatasetContext } from "../context.ts";
import { splitByHash } from "../hash_split.ts";
import { brokenFiles } from "./broken.ts";
import { parseColour, type Shape } from "./decode.ts";
import { labelsOf } from "./labels.ts";
import { type FolderListing, listImages } from "./list.ts";
import { readImages } from "./read.ts";

/** Images of a folder, each split in code-unit order of their paths. */
export async function write(context: DatasetContext): Promise<StageEnd | void> {
  const { path, size, channels = 3, background = "#ffffff", labels: wanted = "folders", limit } = context.params;
  if (path === undefined || size === undefined) throw new Error("Cannot happen: the check asks for path and size");
  if (!(await Deno.stat(path)).isDirectory) {
    return { status: "failed", message: `${path} is a file`, fix: "set path to the folder of the images" };
  }
  const listing = await listImages(path);
  const names = listing.images;
  const taken = Math.min(names.length, limit ?? names.length);
  const { testCount = Math.max(1, Math.floor(taken / 10)) } = context.params;
  const refused = refuse(path, listing, { taken, testCount });
  if (refused !== undefined) return refused;
  const labels = wanted === "none" ? undefined : labelsOf(names);
  if (typeof labels === "string") {
    return {
      status: "failed",
      message: labels,
      fix: "sort the images into at most 256 sub-folders, or set labels: none",
    };
  }
  if (listing.others > 0) context.note(`${listing.others} files that are no images were left out`);

  const picked = splitByHash(names, { testCount, limit });
  // Shuffled digests chose the images; the stored order is one that people can find images by.
  const splits = {
    train: picked.train.sort((a, b) => a - b),
    test: picked.test.sort((a, b) => a - b),
  };
  const shape: Shape = { size, channels, background: parseColour(background) };
  const decoded = await readImages(context, { root: path, ...listing }, splits, shape);
  if (!("pixels" in decoded)) return decoded;

  const writeSplit = async (output: OutputArtifact, split: "train" | "test") => {
    const indices = splits[split];
    const source = { name: "folder", split, ...(labels === undefined ? {} : { classNames: labels.classNames }) };
    const classes = labels?.classNames.length ?? null;
    await writeImages(output, {
      info: { count: indices.length, height: size, width: size, channels, classes, source },
      pixels: decoded.pixels[split],
      picture: "preview.png",
      ...(labels === undefined ? {} : { labels: Uint8Array.from(indices, (index) => labels.labels[index]!) }),
    });
  };
  await writeSplit(context.outputs.train, "train");
  await writeSplit(context.outputs.test, "test");
}

/** What keeps a folder from being a data set before its images are looked at. */
function refuse(
  path: string,
  { images, broken }: FolderListing,
  { taken, testCount }: { readonly taken: number; readonly testCount: number },
): StageEnd | undefined {
  if (images.length === 0 && broken.length === 0) {
    const fix = "set path to the folder of the images; sub-folders are looked into";
    return { status: "failed", message: `there is no PNG or JPEG file in ${path}`, fix };
  }
  if (images.length === 0) return brokenFiles(broken, 0);
  if (testCount < taken) return undefined;
  const message = `the test split leaves no images to train on: testCount ${testCount} of ${taken} images`;
  return { status: "failed", message, fix: "lower testCount or add images" };
}
