import { crc32 } from "node:zlib";
import { FormatError } from "../format_error.ts";
import { ByteCursor } from "./byte_cursor.ts";

/** Sizes of the fields that begin a file, describe it in the directory, and end the zip; the first is a signature. */
const LOCAL = { signature: 0x04034b50, fields: [4, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2] };
const ENTRY = { signature: 0x02014b50, fields: [4, 2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4] };
const END = { signature: 0x06054b50, fields: [4, 2, 2, 2, 2, 4, 4, 2] };
const END_BYTES = 22;

/**
 * The files of a zip (PKWARE's APPNOTE) that are stored as they are, as torch's writer stores them. It adds ZIP64 records
 * to every zip, but needs them only from 4 GiB or 65,535 files on: they are not read, and larger ones are refused.
 *
 * @returns by name, a function that gives a view of the file's bytes, or throws FormatError where they are damaged
 * @throws FormatError when the zip is cut off, its directory is not that of the file, or it holds a compressed file, two
 * of one name, a name with `..`, or files that share bytes
 */
export function openStoredZip(bytes: Uint8Array): ReadonlyMap<string, () => Uint8Array> {
  const [, , , , count, length, start] = readFields(new ByteCursor(bytes, Math.max(0, bytes.length - END_BYTES)), END);
  const directory = new ByteCursor(new ByteCursor(bytes, start).take(length!));
  const files = new Map<string, () => Uint8Array>();
  let total = 0;
  while (files.size < count!) {
    const fields = readFields(directory, ENTRY);
    const [, , , , method, , , crc, packed, size, nameBytes, extraBytes, commentBytes, , , , offset] = fields;
    const name = directory.text(nameBytes!);
    directory.take(extraBytes! + commentBytes!);
    if (method !== 0 || packed !== size || files.has(name) || name.split("/").includes("..")) {
      const got = `${JSON.stringify(name.slice(0, 80))}, ${size} bytes in ${packed} by method ${method}`;
      throw new FormatError("zip", { got, wanted: "files stored as they are, each once, without .. in a name" });
    }
    total += size!;
    files.set(name, () => {
      const cursor = new ByteCursor(bytes.subarray(0, start), offset);
      const [nameBytes, extraBytes] = readFields(cursor, LOCAL).slice(-2);
      cursor.take(nameBytes! + extraBytes!);
      const contents = cursor.take(size!);
      const got = crc32(contents);
      if (got === crc) return contents;
      throw new FormatError("zip, checksum of a file", { got: `${got}`, wanted: `${crc}` });
    });
  }
  // Files that share bytes could make a small zip hold more than there is memory.
  if (directory.at === length && total <= start!) return files;
  const got = `${count} files of ${total} bytes, ${length! - directory.at} bytes of directory more`;
  throw new FormatError("zip", { got, wanted: `at most ${start} bytes, and no more` });
}

function readFields(cursor: ByteCursor, { signature, fields }: typeof LOCAL): number[] {
  const values = fields.map((size) => cursor.uint(size));
  if (values[0] === signature) return values;
  const wanted = `0x${signature.toString(16)}: the file is cut off or damaged`;
  throw new FormatError(`zip, up to byte ${cursor.at}`, { got: `mark 0x${values[0]!.toString(16)}`, wanted });
}
