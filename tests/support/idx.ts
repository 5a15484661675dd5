import { gzipSync } from "node:zlib";

/** Makes an IDX file of unsigned bytes. */
export function makeIdx(shape: readonly number[], data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  shape.forEach((length, i) => view.setUint32(4 + 4 * i, length));
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

function split(prefix: string, count: number): Record<string, Uint8Array<ArrayBuffer>> {
  const images = new Uint8Array(count * 784);
  // The first pixel is the number of the image, modulo 256.
  for (let n = 0; n < count; n++) images[n * 784] = n;
  const labels = Uint8Array.from({ length: count }, (_, n) => n % 10);
  const packed = (shape: readonly number[], data: Uint8Array) =>
    new Uint8Array(gzipSync(makeIdx(shape, data), { level: 1 }));
  return {
    [`${prefix}-images-idx3-ubyte.gz`]: packed([count, 28, 28], images),
    [`${prefix}-labels-idx1-ubyte.gz`]: packed([count], labels),
  };
}

/**
 * Makes the four files of MNIST or Fashion-MNIST, with the official sizes: image n is black except for its first pixel.
 */
export function makeIdxFiles(): Record<string, Uint8Array<ArrayBuffer>> {
  return { ...split("train", 60_000), ...split("t10k", 10_000) };
}
