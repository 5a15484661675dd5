import { CLASS_NAMES } from "../../../artifacts/class_names.ts";
import type { StageEnd } from "../../../contract/stage.ts";
import { writeImages } from "../../../artifacts/images.ts";
import type { DatasetContext } from "../context.ts";
import { obtainFiles } from "../obtain.ts";
import { resize, resizeModeOf } from "../resize.ts";
import { IDX_CLASSES, IDX_NAMES, IDX_SIDE, isIdxSource } from "./facts.ts";
import { findIdxFiles, type IdxPaths, readIdxSplit } from "./read.ts";

/** MNIST or Fashion-MNIST, in the order of its files. */
export async function write(context: DatasetContext): Promise<StageEnd | void> {
  const { source, size = IDX_SIDE, limit = Infinity } = context.params;
  if (!isIdxSource(source)) throw new Error(`Cannot happen: ${source} has no IDX files`);
  const found = await findFiles(context);
  if ("end" in found) return found.end;
  const classNames = CLASS_NAMES[source];
  for (const split of ["train", "test"] as const) {
    const images = await readIdxSplit(found.paths, split, limit);
    if ("error" in images) {
      return { status: "failed", message: images.error, fix: `fetch the files of ${source} again` };
    }
    const { pixels, labels } = images;
    await writeImages(context.outputs[split], {
      info: {
        ...{ count: labels.length, height: size, width: size, channels: 1, classes: IDX_CLASSES },
        source: { name: source, split, resize: resizeModeOf(IDX_SIDE, size), classNames },
      },
      pixels: resize({ pixels, side: IDX_SIDE }, size).pixels,
      labels,
      picture: "preview.png",
    });
  }
}

async function findFiles(context: DatasetContext): Promise<{ readonly paths: IdxPaths } | { readonly end: StageEnd }> {
  const { path, source } = context.params;
  if (path !== undefined) {
    const found = await findIdxFiles(path);
    if ("paths" in found) return found;
    const names = Object.values(IDX_NAMES).flatMap(({ images, labels }) => [images, labels]);
    const fix = `set path to the folder that holds ${names.join(", ")} of ${source}, with or without .gz`;
    return { end: { status: "failed", message: found.error, fix } };
  }
  const obtained = await obtainFiles(context);
  if ("end" in obtained) return obtained;
  const paths = [...obtained.paths].map(([name, file]) => [name.replace(/^path\/|\.gz$/g, ""), file] as const);
  return { paths: new Map(paths) };
}
