import type { StageEnd } from "../../contract/stage.ts";
import { writeImages } from "../../artifacts/images.ts";
import { type CifarSplit, readCifarSplit } from "./cifar.ts";
import { readCifarArchive } from "./cifar_archive.ts";
import { CIFAR_CLASS_NAMES } from "../../artifacts/class_names.ts";
import { CIFAR_FACTS, CIFAR_TEST_FILES, CIFAR_TRAIN_FILES } from "./cifar_facts.ts";
import type { DatasetContext } from "./context.ts";
import { obtainFiles } from "./obtain.ts";

const FILES = { train: CIFAR_TRAIN_FILES, test: CIFAR_TEST_FILES } as const;
const SPLITS = ["train", "test"] as const;

/** CIFAR-10 from its archive or its files, in their order. */
export async function write(context: DatasetContext): Promise<StageEnd | void> {
  const place = await findPlace(context);
  if ("end" in place) return place.end;
  const { path } = place;
  const limit = context.params.limit ?? Infinity;
  const read = (await Deno.stat(path)).isDirectory ? readFolder : readCifarArchive;
  const splits = await read(path, FILES, limit);
  if ("error" in splits) {
    const fix = "fetch cifar-10-binary.tar.gz again; path is the archive, or the folder of its .bin files";
    return { status: "failed", message: splits.error, fix };
  }
  for (const split of SPLITS) {
    const { side } = CIFAR_FACTS;
    const images = splits[split];
    const info = {
      count: images.labels.length,
      height: side,
      width: side,
      channels: 3,
      classes: CIFAR_CLASS_NAMES.length,
    };
    const source = { name: "cifar10", split };
    await writeImages(context.outputs[split], { info: { ...info, source }, ...images, picture: "preview.png" });
  }
}

async function findPlace(context: DatasetContext) {
  const { path } = context.params;
  if (path !== undefined) return { path };
  const obtained = await obtainFiles(context);
  if ("end" in obtained) return obtained;
  return { path: obtained.paths.get("path")! };
}

async function readFolder(
  folder: string,
  files: typeof FILES,
  limit: number,
): Promise<Record<keyof typeof FILES, CifarSplit> | { readonly error: string }> {
  const train = await readCifarSplit(folder, files.train, limit);
  if ("error" in train) return train;
  const test = await readCifarSplit(folder, files.test, limit);
  if ("error" in test) return test;
  return { train, test };
}
