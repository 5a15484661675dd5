import { gunzipSync } from "node:zlib";
import { FormatError } from "./format_error.ts";

/** Third byte of the magic number of unsigned bytes; MNIST and its kin use no other type. */
const UNSIGNED_BYTE = 0x08;
/** Largest file that is unpacked; the images of MNIST are 47 MB. */
const MAX_BYTES = 2 ** 30;

/**
 * Decode an IDX file, gzipped or not: two zero bytes, a type, the number of dimensions, each dimension as 32 bits
 * big-endian, and the elements (http://yann.lecun.com/exdb/mnist/).
 *
 * @returns an array of unsigned bytes, row-major
 * @throws FormatError when it is damaged, not of unsigned bytes, or not as long as its dimensions say
 */
export function decodeIdx(file: Uint8Array) {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? gunzip(file, MAX_BYTES) : file;
  const [zero, alsoZero, type, dimensions = 0] = bytes;
  if (bytes.length < 4 || zero !== 0 || alsoZero !== 0 || type !== UNSIGNED_BYTE || dimensions === 0) {
    const start = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new FormatError("IDX file", { got: `a start of ${start || "nothing"}`, wanted: "00 00 08 and dimensions" });
  }
  const header = 4 + 4 * dimensions;
  if (bytes.length < header) {
    throw new FormatError("IDX header", { got: `${bytes.length} bytes`, wanted: `${header}: the file is cut off` });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((product, length) => product * length, 1);
  if (bytes.length - header !== size) {
    throw new FormatError("IDX data", { got: `${bytes.length - header} bytes`, wanted: `${size} for [${shape}]` });
  }
  return { shape, data: Uint8Array.from(bytes.subarray(header)) };
}

/**
 * Unpack a gzip file (RFC 1952), checking its length and checksum.
 *
 * @param maxBytes what it may unpack to: a few kilobytes can hold gigabytes
 * @throws FormatError when it is damaged, cut off or larger than that
 */
export function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(gunzipSync(bytes, { maxOutputLength: maxBytes }));
  } catch (cause) {
    throw new FormatError("gzip file", {
      got: `one that is damaged or too large (${cause instanceof Error ? cause.message : String(cause)})`,
      wanted: `a whole file of at most ${maxBytes} bytes`,
      cause,
    });
  }
}
