/** Several arrays in one file, as numpy.savez writes them: a zip of npy files, stored without compression. */
import { zipSync } from "fflate";
import { decodeNpy, encodeNpy, type NpyArray } from "./npy.ts";
import { openZip } from "./archives.ts";

/** The earliest date that a zip can have. A fixed date gives equal bytes for equal arrays. */
const EPOCH = new Date(1980, 0, 1);

export function encodeNpz(arrays: Readonly<Record<string, NpyArray>>): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)] as const);
  return zipSync(Object.fromEntries(files), { level: 0, mtime: EPOCH }) as Uint8Array<ArrayBuffer>;
}

/** Returns the names of the arrays of a file. @throws FormatError when the bytes are not a zip */
export async function namesInNpz(bytes: Uint8Array): Promise<string[]> {
  return Array.from((await openZip(bytes, "npz file")).keys(), (name) => name.replace(/\.npy$/, ""));
}

/**
 * Reads one array of the file; the others stay packed.
 *
 * @param maxBytes maximum size of the array, header included: a small file may claim to hold more than the memory
 * @returns undefined if the file has no array of this name
 * @throws FormatError when the bytes are not a zip, or the array is too large or one that `decodeNpy` does not read
 */
export async function decodeNpz(bytes: Uint8Array, array: string, maxBytes: number): Promise<NpyArray | undefined> {
  const file = (await openZip(bytes, "npz file")).get(`${array}.npy`);
  return file && decodeNpy(await file.read(maxBytes));
}
