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

/** A small file may say that it holds more than there is memory. */
const MAX_ARRAY_BYTES = 2 ** 31;

function fits(bytes: number): boolean {
  if (bytes <= MAX_ARRAY_BYTES) return true;
  throw new FormatError("npz array", { got: `${bytes} bytes`, wanted: `at most ${MAX_ARRAY_BYTES}` });
}

/** @throws FormatError when the bytes are no zip, or hold an array that `decodeNpy` does not read */
export function decodeNpz(bytes: Uint8Array): Record<string, NpyArray> {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, { filter: ({ name, originalSize }) => name.endsWith(".npy") && fits(originalSize) });
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const got = error instanceof Error ? error.message : String(error);
    throw new FormatError("npz file", { got, wanted: "a zip of npy files", cause: error });
  }
  const arrays = Object.entries(files).map(([name, file]) => [name.replace(/\.npy$/, ""), decodeNpy(file)] as const);
  return Object.fromEntries(arrays);
}
