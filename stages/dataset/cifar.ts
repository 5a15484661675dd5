import { join } from "node:path";
import { type CifarBatch, decodeCifarBatch } from "../../formats/cifar_binary.ts";
import { FormatError } from "../../formats/format_error.ts";
import { CIFAR_FACTS } from "./cifar_facts.ts";

export type CifarSplit = Omit<CifarBatch, "count">;

const IMAGE_BYTES = CIFAR_FACTS.side ** 2 * 3;

/** One split of CIFAR-10, in the order of its files, at most `limit` images of it; or what is wrong with the folder. */
export async function readCifarSplit(
  folder: string,
  names: readonly string[],
  limit: number,
): Promise<CifarSplit | { readonly error: string }> {
  const batches: CifarBatch[] = [];
  let missing = limit;
  for (const name of names) {
    if (missing <= 0) break;
    const batch = await readBatch(join(folder, name), name);
    if ("error" in batch) return batch;
    batches.push(batch);
    missing -= batch.count;
  }
  return joinBatches(batches, limit);
}

/** Batches one after the other, cut at `limit` images. */
export function joinBatches(batches: readonly CifarBatch[], limit: number): CifarSplit {
  const total = batches.reduce((sum, { count }) => sum + count, 0);
  const pixels = new Uint8Array(total * IMAGE_BYTES);
  const labels = new Uint8Array(total);
  let at = 0;
  for (const batch of batches) {
    pixels.set(batch.pixels, at * IMAGE_BYTES);
    labels.set(batch.labels, at);
    at += batch.count;
  }
  const taken = Math.min(limit, total);
  return { pixels: pixels.slice(0, taken * IMAGE_BYTES), labels: labels.slice(0, taken) };
}

async function readBatch(path: string, name: string): Promise<CifarBatch | { readonly error: string }> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    return { error: `cannot read ${name}: ${(error as Error).message}` };
  }
  return decodeOfficialBatch(bytes, name);
}

/** A batch as long as all of CIFAR-10's, or what is wrong with it. */
export function decodeOfficialBatch(bytes: Uint8Array, name: string): CifarBatch | { readonly error: string } {
  try {
    const batch = decodeCifarBatch(bytes);
    if (batch.count === CIFAR_FACTS.batchCount) return batch;
    return { error: `${name} holds ${batch.count} images: the official file has ${CIFAR_FACTS.batchCount}` };
  } catch (error) {
    if (error instanceof FormatError) return { error: `${name}: ${error.message}` };
    throw error;
  }
}
