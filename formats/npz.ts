/** Several arrays in one file, as numpy.savez writes them: a zip of npy files, stored without compression. */
import { unzipSync, zipSync } from "fflate";
import { FormatError } from "./format_error.ts";
import { decodeNpy, encodeNpy, type NpyArray } from "./npy.ts";

/** The first day that a zip can name: the same arrays are the same bytes on any day. */
const EPOCH = new Date(1980, 0, 1);

export function encodeNpz(arrays: Readonly<Record<string, NpyArray>>): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)] as const);
  return zipSync(Object.fromEntries(files), { level: 0, mtime: EPOCH }) as Uint8Array<ArrayBuffer>;
}

function fits(bytes: number, maxBytes: number): boolean {
  if (bytes <= maxBytes) return true;
  throw new FormatError("npz array", { got: `${bytes} bytes`, wanted: `at most ${maxBytes}` });
}

/**
 * One array of the file; the others are left packed.
 *
 * @param maxBytes with the header: a small file may say that it holds more than there is memory
 * @returns undefined where the file has none of the name
 * @throws FormatError when the bytes are no zip, or the array is too large or one that `decodeNpy` does not read
 */
export function decodeNpz(bytes: Uint8Array, array: string, maxBytes: number): NpyArray | undefined {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      filter: ({ name, originalSize }) => name === `${array}.npy` && fits(originalSize, maxBytes),
    });
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const got = error instanceof Error ? error.message : String(error);
    throw new FormatError("npz file", { got, wanted: "a zip of npy files", cause: error });
  }
  const [file] = Object.values(files);
  return file && decodeNpy(file);
}
