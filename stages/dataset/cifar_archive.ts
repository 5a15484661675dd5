import type { CifarBatch } from "../../formats/cifar_binary.ts";
import { FormatError } from "../../formats/format_error.ts";
import { readTar } from "../../formats/tar.ts";
import { type CifarSplit, decodeOfficialBatch, joinBatches } from "./cifar.ts";

interface Names {
  readonly train: readonly string[];
  readonly test: readonly string[];
}

/**
 * Both splits of CIFAR-10 from the official archive, which is read as a stream: of each split in the order of its names,
 * at most `limit` images. Or what is wrong with the archive.
 */
export async function readCifarArchive(
  path: string,
  names: Names,
  limit: number,
): Promise<{ readonly train: CifarSplit; readonly test: CifarSplit } | { readonly error: string }> {
  const wanted = new Set([...names.train, ...names.test]);
  const batches = new Map<string, CifarBatch>();
  try {
    const file = await Deno.open(path);
    for await (const entry of readTar(file.readable.pipeThrough(new DecompressionStream("gzip")))) {
      // The archive holds one folder; what it is called does not matter.
      const name = entry.name.split("/").at(-1)!;
      if (!wanted.has(name)) continue;
      const batch = decodeOfficialBatch(await entry.read(), name);
      if ("error" in batch) return batch;
      batches.set(name, batch);
      if (batches.size === wanted.size) break;
    }
  } catch (error) {
    const reason = damageOf(error);
    if (reason === undefined) throw error;
    return { error: `${path} is no whole .tar.gz archive: ${reason}` };
  }
  const missing = [...wanted].filter((name) => !batches.has(name));
  if (missing.length > 0) return { error: `${path} lacks ${missing.join(", ")}` };
  const join = (all: readonly string[]) => joinBatches(all.map((name) => batches.get(name)!), limit);
  return { train: join(names.train), test: join(names.test) };
}

/** What a broken archive throws: our own readers a FormatError, Deno's gunzip a TypeError. */
function damageOf(error: unknown): string | undefined {
  return error instanceof FormatError || error instanceof TypeError ? error.message : undefined;
}
