/** Several arrays in one file, as numpy.savez writes them: a zip of npy files, stored without compression. */
import { zipSync } from "fflate";
import { decodeNpy, encodeNpy, type NpyArray } from "./npy.ts";
import { openZip } from "./zip.ts";

/** The first day that a zip can name: the same arrays are the same bytes on any day. */
const EPOCH = new Date(1980, 0, 1);

export function encodeNpz(arrays: Readonly<Record<string, NpyArray>>): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)] as const);
  return zipSync(Object.fromEntries(files), { level: 0, mtime: EPOCH }) as Uint8Array<ArrayBuffer>;
}

/**
 * One array of the file; the others are left packed.
 *
 * @param maxBytes with the header: a small file may say that it holds more than there is memory
 * @returns undefined where the file has none of the name
 * @throws FormatError when the bytes are no zip, or the array is too large or one that `decodeNpy` does not read
 */
export function decodeNpz(bytes: Uint8Array, array: string, maxBytes: number): NpyArray | undefined {
  const file = openZip(bytes, { what: "npz file", unpacks: true }).get(`${array}.npy`);
  return file && decodeNpy(file(maxBytes));
}
