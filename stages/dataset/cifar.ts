import { Buffer } from "node:buffer";
import { join } from "node:path";
import { checked } from "../../artifacts/record.ts";
import { tarEntries } from "../../science/formats/archives.ts";
import { type CifarBatch, decodeCifarBatch, RECORD_BYTES } from "../../science/formats/cifar_binary.ts";
import { FormatError } from "../../science/formats/format_error.ts";
import { downloadAll } from "../../std/download.ts";
import { downloadsOf } from "./kind.ts";
import { readFile } from "./read_file.ts";
import type { ReadDataset, Split } from "./split.ts";
import { CIFAR_FILES, SOURCES } from "./sources.ts";

const { images: { side: SIDE, channels } } = SOURCES.cifar10;
const IMAGE_BYTES = SIDE ** 2 * channels;
const BATCH_IMAGES = 10_000;

/** Reads CIFAR-10 from its archive or its files, in their order. */
export const read: ReadDataset = async (context) => {
  const { limit = Infinity } = context.params;
  let { path } = context.params;
  if (path === undefined) {
    const obtained = await downloadAll(downloadsOf(context.params), context);
    if ("status" in obtained) return obtained;
    path = obtained.get("path")!;
  }
  const isFolder = (await Deno.stat(path)).isDirectory;
  // An archive is read whole, so that damage to it is noticed.
  const train = CIFAR_FILES.train.slice(0, isFolder ? Math.ceil(limit / BATCH_IMAGES) : undefined);
  const wanted = new Set([...train, ...CIFAR_FILES.test]);
  const batches = await (isFolder ? readFolder(path, wanted) : readArchive(path, wanted));
  const splitOf = (names: readonly string[]) => joinBatches(names.map((name) => batches.get(name)!), limit);
  return {
    source: (split) => ({ name: "cifar10", split }),
    train: splitOf(train),
    test: splitOf(CIFAR_FILES.test),
  };
};

/** Concatenates batches, up to `limit` images. */
function joinBatches(batches: readonly CifarBatch[], limit: number): Split {
  const taken = Math.min(limit, batches.length * BATCH_IMAGES);
  const join = (parts: Uint8Array[], bytes: number) => new Uint8Array(Buffer.concat(parts, bytes));
  return {
    pixels: join(batches.map(({ pixels }) => pixels), taken * IMAGE_BYTES),
    labels: join(batches.map(({ labels }) => labels), taken),
  };
}

type Batches = ReadonlyMap<string, CifarBatch>;

async function readFolder(folder: string, wanted: ReadonlySet<string>): Promise<Batches> {
  const batches = new Map<string, CifarBatch>();
  for (const name of wanted) {
    const bytes = await readFile(join(folder, name), name, BATCH_IMAGES * RECORD_BYTES);
    batches.set(name, decodeBatch(bytes, name));
  }
  return batches;
}

/** Decodes a batch, which must have as many images as each batch of CIFAR-10. */
function decodeBatch(bytes: Uint8Array, name: string): CifarBatch {
  const batch = checked(name, () => decodeCifarBatch(bytes));
  if (batch.count === BATCH_IMAGES) return batch;
  throw new FormatError(name, { got: `${batch.count} images`, wanted: `${BATCH_IMAGES}, as in the official file` });
}

/**
 * The official archive unpacks to 184 MB; the limit is needed because a few hundred kilobytes can unpack to any size.
 */
const MAX_UNPACKED_BYTES = 256 << 20;

/** Reads batches from the official archive, as a stream. */
async function readArchive(path: string, wanted: ReadonlySet<string>): Promise<Batches> {
  const batches = new Map<string, CifarBatch>();
  for await (const { name: inArchive, isFile, read } of tarEntries([path], MAX_UNPACKED_BYTES)) {
    // The archive holds one folder, whose name does not matter.
    const name = inArchive.split("/").at(-1)!;
    if (isFile && wanted.has(name)) batches.set(name, decodeBatch(await read(MAX_UNPACKED_BYTES), name));
  }
  const missing = [...wanted].filter((name) => !batches.has(name));
  if (missing.length > 0) throw new FormatError(path, { got: "only some batches", wanted: missing.join(", ") });
  return batches;
}
