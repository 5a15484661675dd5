import { crc32 } from "node:zlib";
import { FormatError } from "../format_error.ts";
import { ByteCursor } from "./byte_cursor.ts";

const [LOCAL_HEADER, DIRECTORY_ENTRY, DIRECTORY_END] = [0x04034b50, 0x02014b50, 0x06054b50];
const DIRECTORY_END_BYTES = 22;

interface StoredFile {
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

/**
 * The files of a zip (PKWARE's APPNOTE) that are stored as they are, as torch's writer stores them. It adds ZIP64 records
 * to every file, but needs them only from 4 GiB or 65,535 files on: they are not read, and larger files are refused.
 *
 * @returns by name, a function that gives a view of the file's bytes, or throws FormatError where they are damaged
 * @throws FormatError when the zip is cut off, its directory is not that of the file, or it holds a compressed file, two
 * of one name, a name with `..`, or files that share bytes
 */
export function openStoredZip(bytes: Uint8Array): ReadonlyMap<string, () => Uint8Array> {
  const end = new ByteCursor(bytes, Math.max(0, bytes.length - DIRECTORY_END_BYTES));
  expectSignature(end, DIRECTORY_END);
  end.take(6);
  const [count, length, start] = [end.uint(2), end.uint(4), end.uint(4)];
  const directory = new ByteCursor(new ByteCursor(bytes, start).take(length));
  const stored = bytes.subarray(0, start);
  const files = new Map<string, () => Uint8Array>();
  let total = 0;
  while (directory.at < length) {
    const [name, file] = readEntry(directory);
    if (files.has(name) || name.split("/").includes("..")) {
      throw new FormatError("name in a zip", { got: JSON.stringify(name), wanted: "a path without .., once" });
    }
    total += file.size;
    files.set(name, () => readFile(new ByteCursor(stored, file.offset), name, file));
  }
  // Files that share bytes could make a small zip hold more than there is memory.
  if (files.size !== count || total > start) {
    const got = `${files.size} files of ${total} bytes`;
    throw new FormatError("directory of a zip", { got, wanted: `${count} of at most ${start}` });
  }
  return files;
}

function readEntry(directory: ByteCursor): [string, StoredFile] {
  expectSignature(directory, DIRECTORY_ENTRY);
  directory.take(6);
  const method = directory.uint(2);
  directory.take(4);
  const [crc, packed, size] = [directory.uint(4), directory.uint(4), directory.uint(4)];
  const [nameBytes, extraBytes, commentBytes] = [directory.uint(2), directory.uint(2), directory.uint(2)];
  directory.take(8);
  const offset = directory.uint(4);
  const name = directory.text(nameBytes);
  directory.take(extraBytes + commentBytes);
  if (method !== 0 || packed !== size) {
    const got = `${size} bytes in ${packed} by method ${method}`;
    throw new FormatError(`${JSON.stringify(name)} in a zip`, { got, wanted: "a file that is stored as it is" });
  }
  return [name, { offset, size, crc }];
}

function readFile(cursor: ByteCursor, name: string, { size, crc }: StoredFile): Uint8Array {
  expectSignature(cursor, LOCAL_HEADER);
  cursor.take(22);
  cursor.take(cursor.uint(2) + cursor.uint(2));
  const contents = cursor.take(size);
  const got = crc32(contents);
  if (got === crc) return contents;
  throw new FormatError(`checksum of ${JSON.stringify(name)} in a zip`, { got: `${got}`, wanted: `${crc}` });
}

function expectSignature(cursor: ByteCursor, wanted: number): void {
  const got = cursor.uint(4);
  if (got === wanted) return;
  const say = (signature: number) => `0x${signature.toString(16).padStart(8, "0")}`;
  throw new FormatError(`zip, byte ${cursor.at - 4}`, { got: say(got), wanted: say(wanted) });
}
