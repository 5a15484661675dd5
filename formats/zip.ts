import { crc32 } from "node:zlib";
import { ByteCursor } from "./byte_cursor.ts";
import { FormatError } from "./format_error.ts";
import { inflate } from "./inflate.ts";

/** Sizes of the fields that begin a file, describe it in the directory, and end the zip; the first is a signature. */
const LOCAL = { signature: 0x04034b50, fields: [4, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2] };
const ENTRY = { signature: 0x02014b50, fields: [4, 2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4] };
const END = { signature: 0x06054b50, fields: [4, 2, 2, 2, 2, 4, 4, 2] };
const END_BYTES = 22;

const [STORED, DEFLATED] = [0, 8];

/**
 * The files of a zip (PKWARE's APPNOTE). The writers of torch and NumPy add ZIP64 records to every zip, but need them only
 * from 4 GiB or 65,535 files on: they are not read, and larger ones are refused.
 *
 * @param what the zip is, for messages
 * @param unpacks also files that are compressed; torch stores all as they are
 * @returns by name, a function that gives a file's bytes, a view where they are stored as they are; it throws FormatError
 * where they are damaged, or more than it is told
 * @throws FormatError when the zip is cut off, its directory is not that of the file, or it holds two of one name, a name
 * with `..`, or files that share bytes
 */
export function openZip(
  bytes: Uint8Array,
  { what, unpacks = false }: { readonly what: string; readonly unpacks?: boolean },
): ReadonlyMap<string, (mostBytes?: number) => Uint8Array> {
  const end = new ByteCursor(what, bytes, Math.max(0, bytes.length - END_BYTES));
  const [, , , , count, length, start] = readFields(end, END);
  const directory = new ByteCursor(what, new ByteCursor(what, bytes, start).take(length!));
  const files = new Map<string, (mostBytes?: number) => Uint8Array>();
  let total = 0;
  while (files.size < count!) {
    const fields = readFields(directory, ENTRY);
    const [, , , , method, , , crc, packed, size, nameBytes, extraBytes, commentBytes, , , , offset] = fields;
    const name = directory.text(nameBytes!);
    directory.take(extraBytes! + commentBytes!);
    const isRead = method === STORED ? packed === size : unpacks && method === DEFLATED;
    if (!isRead || files.has(name) || name.split("/").includes("..")) {
      const got = `${JSON.stringify(name.slice(0, 80))}, ${size} bytes in ${packed} by method ${method}`;
      const wanted = `files ${unpacks ? "" : "stored as they are, "}each once, without .. in a name`;
      throw new FormatError(what, { got, wanted });
    }
    total += packed!;
    files.set(name, (mostBytes = Infinity) => {
      const about = `${what}, ${JSON.stringify(name)}`;
      if (size! > mostBytes) throw new FormatError(about, { got: `${size} bytes`, wanted: `at most ${mostBytes}` });
      const cursor = new ByteCursor(what, bytes.subarray(0, start), offset);
      const [nameBytes, extraBytes] = readFields(cursor, LOCAL).slice(-2);
      cursor.take(nameBytes! + extraBytes!);
      const kept = cursor.take(packed!);
      const contents = method === STORED ? kept : inflate(kept, { form: "raw", mostBytes: size!, what: about });
      const got = crc32(contents);
      if (got === crc) return contents;
      throw new FormatError(`${what}, checksum of ${JSON.stringify(name)}`, { got: `${got}`, wanted: `${crc}` });
    });
  }
  // Files that share bytes could make a small zip hold more than there is memory.
  if (directory.at === length && total <= start!) return files;
  const got = `${count} files of ${total} bytes, ${length! - directory.at} bytes of directory more`;
  throw new FormatError(what, { got, wanted: `at most ${start} bytes, and no more` });
}

function readFields(cursor: ByteCursor, { signature, fields }: typeof LOCAL): number[] {
  const values = fields.map((size) => cursor.uint(size));
  if (values[0] === signature) return values;
  const wanted = `0x${signature.toString(16)}: the file is cut off or damaged`;
  throw new FormatError(`${cursor.what}, up to byte ${cursor.at}`, {
    got: `mark 0x${values[0]!.toString(16)}`,
    wanted,
  });
}
