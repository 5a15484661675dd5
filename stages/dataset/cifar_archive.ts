import { createTarDecoder } from "modern-tar";
import type { CifarBatch } from "../../formats/cifar_binary.ts";
import { type CifarSplit, decodeOfficialBatch, joinBatches } from "./cifar.ts";

interface Names {
  readonly train: readonly string[];
  readonly test: readonly string[];
}

/** The official archive unpacks to 184 MB; a few hundred kilobytes can unpack to any number. */
const MAX_UNPACKED_BYTES = 256 << 20;

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
  let unpackedBytes = 0;
  try {
    const unzipped = (await Deno.open(path)).readable.pipeThrough(new DecompressionStream("gzip"));
    for await (const { header, body } of unzipped.pipeThrough(createTarDecoder({ strict: true }))) {
      unpackedBytes += HEADER_BYTES + header.size;
      if (unpackedBytes > MAX_UNPACKED_BYTES) return { error: `${path} unpacks to more than CIFAR-10 has` };
      // The archive holds one folder; what it is called does not matter.
      const name = header.name.split("/").at(-1)!;
      if (header.type !== "file" || !wanted.has(name)) {
        // Cancelling would drop the next body: the decoder is ahead by a few small entries.
        await body.pipeTo(new WritableStream());
        continue;
      }
      const batch = decodeOfficialBatch(await readWhole(body, header.size), name);
      if ("error" in batch) return batch;
      batches.set(name, batch);
      if (batches.size === wanted.size) break;
    }
  } catch (error) {
    const reason = damageOf(error);
    if (reason === undefined) throw error;
    return { error: `${path} is not a complete .tar.gz archive: ${reason}` };
  }
  const missing = [...wanted].filter((name) => !batches.has(name));
  if (missing.length > 0) return { error: `${path} lacks ${missing.join(", ")}` };
  const join = (all: readonly string[]) => joinBatches(all.map((name) => batches.get(name)!), limit);
  return { train: join(names.train), test: join(names.test) };
}

const HEADER_BYTES = 512;

async function readWhole(body: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const part of body) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What a broken archive throws: an error of the unpackers, not one of the system, which has a code. */
function damageOf(error: unknown): string | undefined {
  return error instanceof Error && !("code" in error) ? error.message : undefined;
}
