import { gzipSync } from "node:zlib";
import { makeTar } from "./tar.ts";

const RECORD = 3073;
const COUNT = 10_000;

/** Names of the official archive's batches, in its order. */
export const BATCH_NAMES = [...[1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`), "test_batch.bin"];

/**
 * Makes a batch of the official length: image n of batch b has label (n + b) % 10 and b as its first red pixel; all
 * else is black.
 */
export function makeBatch(batch: number, count = COUNT): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count * RECORD);
  for (let n = 0; n < count; n++) {
    bytes[n * RECORD] = (n + batch) % 10;
    bytes[n * RECORD + 1] = batch;
  }
  return bytes;
}

/**
 * Makes an archive in the layout of cifar-10-binary.tar.gz: a folder with six batches and two texts. 184 MB of mostly
 * zeros.
 */
export function makeCifarArchive(
  batches = BATCH_NAMES.map((name, batch) => ({ name, content: makeBatch(batch + 1) })),
) {
  const text = new TextEncoder().encode("airplane\nautomobile\n");
  const files = [{ name: "batches.meta.txt", content: text }, ...batches, { name: "readme.html", content: text }];
  const entries = files.map(({ name, content }) => ({ name: `cifar-10-batches-bin/${name}`, content }));
  return new Uint8Array(gzipSync(makeTar([{ name: "cifar-10-batches-bin/" }, ...entries]), { level: 1 }));
}

let whole: Uint8Array<ArrayBuffer> | undefined;

/** Returns the whole archive, which is made once per process. */
export function cifarArchive(): Uint8Array<ArrayBuffer> {
  whole ??= makeCifarArchive();
  return whole;
}
