import { join } from "node:path";
import { CLASS_NAMES } from "../../artifacts/labels.ts";
import { checked } from "../../artifacts/record.ts";
import type { StageEnd } from "../../engine/contract/stage.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { decodeIdx, idxBytes } from "../../science/formats/idx.ts";
import { downloadAll } from "../../std/download.ts";
import { type DatasetContext, downloadsOf } from "./kind.ts";
import { sideOf } from "./params.ts";
import { resize, resizeModeOf } from "./pixels.ts";
import { readFile } from "./read_file.ts";
import type { ReadDataset, Split, SplitName } from "./split.ts";
import { IDX_FILES, IDX_NAMES, SOURCES } from "./sources.ts";

const { counts, images: { side: SIDE, classes } } = SOURCES.mnist;

/** Reads MNIST or Fashion-MNIST, in the order of the files. */
export const read: ReadDataset = async (context) => {
  const { source: name, limit = Infinity } = context.params;
  const size = sideOf(context.params, SIDE);
  const paths = await findFiles(context);
  if ("status" in paths) return paths;
  const splitOf = async (split: SplitName) => {
    const { pixels, labels } = await readSplit(paths, split, limit);
    return { pixels: resize(pixels, SIDE, size), labels };
  };
  const classNames = CLASS_NAMES[name];
  return {
    source: (split) => ({ name, split, resize: resizeModeOf(SIDE, size), classNames }),
    train: await splitOf("train"),
    test: await splitOf("test"),
  };
};

/** Paths of the files, by their names without extension. */
type Paths = ReadonlyMap<string, string>;

async function findFiles(context: DatasetContext): Promise<Paths | StageEnd> {
  const { path } = context.params;
  if (path !== undefined) return await findInFolder(path);
  const obtained = await downloadAll(downloadsOf(context.params), context);
  if ("status" in obtained) return obtained;
  return new Map([...obtained].map(([name, file]) => [name.replace(/^path\/|\.gz$/g, ""), file]));
}

/** Returns the names in use for a file: compressed or not, and with a dot that some unpackers put. */
function variants(name: string): string[] {
  const dotted = name.replace("-idx", ".idx");
  return [name, `${name}.gz`, dotted, `${dotted}.gz`];
}

async function findInFolder(folder: string): Promise<Paths> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch((cause: Error) => {
    throw new FormatError(folder, { got: cause.message, wanted: "a folder that can be listed", cause });
  });
  const there = new Set(entries.map(({ name }) => name));
  const found = IDX_FILES.map((name) => [name, variants(name).find((variant) => there.has(variant))] as const);
  const missing = found.filter(([, file]) => file === undefined).map(([name]) => name);
  if (missing.length > 0) throw new FormatError(folder, { got: "only some of its files", wanted: missing.join(", ") });
  return new Map(found.map(([name, file]) => [name, join(folder, file!)]));
}

/** Reads the first `limit` images of a split, [N, 28, 28], and their labels, 0 to 9. */
async function readSplit(paths: Paths, split: SplitName, limit: number): Promise<Required<Split>> {
  const count = counts[split];
  const names = IDX_NAMES[split];
  const images = await readArray(paths, names.images, [count, SIDE, SIDE]);
  const labels = await readArray(paths, names.labels, [count]);
  const wrong = labels.findIndex((label) => label >= classes);
  if (wrong >= 0) {
    const wanted = `0 to ${classes - 1}`;
    throw new FormatError(`${names.labels}, label ${wrong}`, { got: `${labels[wrong]}`, wanted });
  }
  const taken = Math.min(limit, count);
  return { pixels: images.slice(0, taken * SIDE ** 2), labels: labels.slice(0, taken) };
}

/** A compressed file is never much longer than its content, whatever that is. */
const PACKING_BYTES = 1 << 20;

async function readArray(paths: Paths, name: string, wanted: readonly number[]) {
  const bytes = await readFile(paths.get(name)!, name, idxBytes(wanted) + PACKING_BYTES);
  return checked(name, () => decodeIdx(bytes, wanted));
}
