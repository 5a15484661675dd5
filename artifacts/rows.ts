import { refuse } from "../science/formats/format_error.ts";

/** Reading single rows of files that are larger than memory should hold. */

/** The place of a row. */
interface RowPlace {
  readonly file: Deno.FsFile;
  /** The place of its first byte in the file. */
  readonly offset: number;
}

/**
 * Fills an array with rows. Rows that are neighbours in a file are read together. Reading is synchronous: for rows of a
 * few kilobytes, which are mostly in the system's cache, waiting for each takes longer than reading it.
 *
 * @param into `indices.length` rows of equal length
 * @throws FormatError when a file ends before its rows
 */
export function readRows(into: Uint8Array, indices: ArrayLike<number>, placeOf: (index: number) => RowPlace): void {
  const stride = into.length / indices.length;
  for (let i = 0; i < indices.length;) {
    const { file, offset } = placeOf(indices[i]!);
    let run = 1;
    const follows = () => indices[i + run] === indices[i]! + run && placeOf(indices[i + run]!).file === file;
    while (i + run < indices.length && follows()) run++;
    readAt(file, offset, into.subarray(i * stride, (i + run) * stride));
    i += run;
  }
}

/**
 * Fills an array with the bytes of a file from `offset` on.
 * @throws FormatError when the file ends before the array is full
 */
export function readAt(file: Deno.FsFile, offset: number, into: Uint8Array): void {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < into.length;) {
    const got = file.readSync(into.subarray(done));
    if (got === null) refuse("file", `${offset + done} bytes`, `${offset + into.length}`);
    done += got;
  }
}

export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

/** Returns the bytes of numbers, without a copy. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
