import { join } from "node:path";
import { FormatError } from "../../../formats/format_error.ts";
import { decodeIdx } from "../../../formats/idx.ts";
import { IDX_CLASSES, IDX_COUNTS, IDX_NAMES, IDX_SIDE } from "./facts.ts";

/** Where the files lie, by their names without ending. */
export type IdxPaths = ReadonlyMap<string, string>;

/** The names that are in use for a file: packed or not, and with a dot where some unpackers put one. */
function variants(name: string): string[] {
  const dotted = name.replace("-idx", ".idx");
  return [name, `${name}.gz`, dotted, `${dotted}.gz`];
}

/** Find the four files of a set in a folder; or say which are not there. */
export async function findIdxFiles(folder: string): Promise<{ readonly paths: IdxPaths } | { readonly error: string }> {
  const there = new Set<string>();
  try {
    for await (const { name } of Deno.readDir(folder)) there.add(name);
  } catch (error) {
    return { error: `cannot list ${folder}: ${(error as Error).message}` };
  }
  const paths = new Map<string, string>();
  const missing: string[] = [];
  for (const name of Object.values(IDX_NAMES).flatMap(({ images, labels }) => [images, labels])) {
    const found = variants(name).find((variant) => there.has(variant));
    if (found === undefined) missing.push(name);
    else paths.set(name, join(folder, found));
  }
  return missing.length === 0 ? { paths } : { error: `${folder} lacks ${missing.join(", ")}` };
}

export interface IdxSplit {
  /** [N, 28, 28] row-major. */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [N], 0 to 9. */
  readonly labels: Uint8Array<ArrayBuffer>;
}

/** The first `limit` images of a split; or what is wrong with its files. */
export async function readIdxSplit(
  paths: IdxPaths,
  split: keyof typeof IDX_NAMES,
  limit: number,
): Promise<IdxSplit | { readonly error: string }> {
  const count = IDX_COUNTS[split];
  const names = IDX_NAMES[split];
  const images = await readArray(paths.get(names.images)!, names.images, [count, IDX_SIDE, IDX_SIDE]);
  if ("error" in images) return images;
  const labels = await readArray(paths.get(names.labels)!, names.labels, [count]);
  if ("error" in labels) return labels;
  const wrong = labels.data.findIndex((label) => label >= IDX_CLASSES);
  if (wrong >= 0) {
    return { error: `${names.labels}: label ${wrong} is ${labels.data[wrong]}, wanted 0 to ${IDX_CLASSES - 1}` };
  }
  const taken = Math.min(limit, count);
  return { pixels: images.data.slice(0, taken * IDX_SIDE ** 2), labels: labels.data.slice(0, taken) };
}

async function readArray(path: string, name: string, shape: readonly number[]) {
  try {
    const array = decodeIdx(await Deno.readFile(path));
    if (array.shape.join() === shape.join()) return array;
    return { error: `${name} is of shape [${array.shape}], wanted [${shape}]` };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { error: `${name}: ${error.message}` };
  }
}
