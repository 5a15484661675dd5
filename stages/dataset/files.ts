import { relative } from "node:path";
import { tarEntries, zipEntries } from "../../science/formats/archives.ts";
import { listArchive, sampleOf } from "./archives.ts";
import { kindOfName } from "./folders.ts";
import { decodeImage, type Files, isHidden, listImages } from "./image_files.ts";
import { type Items, type Labels, labelsOfValues } from "./items.ts";
import { labelsOfEdm, labelsOfFolders, labelsOfTable } from "./labels.ts";
import type { DatasetParams } from "./params.ts";

/** Opens images that are files, in a folder or in archives. */
export async function open(paths: readonly string[], params: Pick<DatasetParams, "source" | "labels">): Promise<Items> {
  const { source, labels } = params;
  const column = typeof labels === "object" && labels.file === undefined ? labels.column ?? "label" : undefined;
  const files = source === "folder"
    ? listImages(paths[0]!)
    : await listArchive(source === "zip" ? () => zipEntries(paths[0]!) : () => tarEntries(paths), column);
  const table = source === "folder" && typeof labels === "object" ? relative(paths[0]!, labels.file ?? "") : "..";
  const isTableInside = !table.startsWith("..") && !isHidden(table) && kindOfName(table) === "other";
  return {
    names: files.images,
    labels: await labelsOf(files, labels),
    broken: files.broken,
    others: files.others - Number(isTableInside),
    isFitted: true,
    async *read(chosen) {
      for await (const bytes of files.read(chosen)) yield typeof bytes === "string" ? bytes : decodeImage(bytes);
    },
  };
}

async function labelsOf(files: Files, wanted: DatasetParams["labels"]): Promise<Labels | undefined | string> {
  const { images, samples = new Map(), table } = files;
  if (wanted === "none") return undefined;
  if (typeof wanted === "object" && wanted.file !== undefined) return await labelsOfTable(wanted.file, wanted, images);
  if (wanted === undefined && table !== undefined) return labelsOfEdm(table, images);
  if (typeof wanted === "object" || (wanted === undefined && samples.size > 0)) {
    return labelsOfValues(images.map((name) => samples.get(sampleOf(name))), (i) => images[i]!);
  }
  return labelsOfFolders(images);
}
