import { refuse } from "./format_error.ts";
import { inflate } from "./inflate.ts";

/** Third byte of the magic number: the type is unsigned bytes. MNIST and its kin use no other type. */
const UNSIGNED_BYTE = 0x08;

/** Returns the length in bytes of an IDX file that holds unsigned bytes of this shape. */
export function idxBytes(shape: readonly number[]): number {
  return 4 + 4 * shape.length + shape.reduce((product, length) => product * length, 1);
}

/**
 * Decode an IDX file, gzipped or not: two zero bytes, a type, the number of dimensions, each dimension as 32 bits
 * big-endian, and the elements (http://yann.lecun.com/exdb/mnist/).
 *
 * @param wanted the expected dimensions; no more bytes are unpacked than these take
 * @returns the elements, row-major, as a view of the file's memory
 * @throws FormatError when the file is damaged, not of unsigned bytes, or not as long as its dimensions say
 */
export function decodeIdx(file: Uint8Array, wanted: readonly number[]): Uint8Array {
  const mostBytes = idxBytes(wanted);
  const isPacked = file[0] === 0x1f && file[1] === 0x8b;
  const bytes = isPacked ? inflate(file, { form: "gzip", mostBytes, what: "gzip file" }) : file;
  const [zero, alsoZero, type, dimensions = 0] = bytes;
  if (bytes.length < 4 || zero !== 0 || alsoZero !== 0 || type !== UNSIGNED_BYTE || dimensions === 0) {
    const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    refuse("IDX file", `a start of ${start || "nothing"}`, "00 00 08 and dimensions");
  }
  const header = 4 + 4 * dimensions;
  if (bytes.length < header) refuse("IDX header", `${bytes.length} bytes`, `${header}: the file is cut off`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((product, length) => product * length, 1);
  if (bytes.length - header !== size) refuse("IDX data", `${bytes.length - header} bytes`, `${size} for [${shape}]`);
  if (shape.join() === wanted.join()) return bytes.subarray(header);
  refuse("IDX file", `shape [${shape}]`, `[${wanted}]`);
}
