import { crc32 } from "node:zlib";
import { ByteCursor } from "./byte_cursor.ts";
import { refuse } from "./format_error.ts";
import { inflate } from "./inflate.ts";

/**
 * Field sizes in bytes of a file's local header, its directory entry, and the end of the zip; the first field is a
 * signature.
 */
const LOCAL = { signature: 0x04034b50, fields: [4, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2] };
const ENTRY = { signature: 0x02014b50, fields: [4, 2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4] };
const END = { signature: 0x06054b50, fields: [4, 2, 2, 2, 2, 4, 4, 2] };
const END_BYTES = 22;

const [STORED, DEFLATED] = [0, 8];

/**
 * Opens a zip (PKWARE's APPNOTE). The writers of torch and NumPy add ZIP64 records to every zip, but need them only
 * from 4 GiB or 65,535 files on: the records are not read, and larger zips are refused.
 *
 * @param what what the zip is, for messages
 * @param unpacks true to accept compressed files as well; torch stores all files uncompressed
 * @returns for each file name, a function that returns the file's bytes, as a view if they are stored uncompressed. The
 * function throws FormatError if the bytes are damaged, or more than its `mostBytes`
 * @throws FormatError when the zip is cut off, its directory does not match the file, or it holds two files of one
 * name, a name with `..`, or files that share bytes
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
      refuse(what, got, `files ${unpacks ? "" : "stored as they are, "}each once, without .. in a name`);
    }
    total += packed!;
    files.set(name, (mostBytes = Infinity) => {
      const about = `${what}, ${JSON.stringify(name)}`;
      if (size! > mostBytes) refuse(about, `${size} bytes`, `at most ${mostBytes}`);
      const cursor = new ByteCursor(what, bytes.subarray(0, start), offset);
      const [nameBytes, extraBytes] = readFields(cursor, LOCAL).slice(-2);
      cursor.take(nameBytes! + extraBytes!);
      const kept = cursor.take(packed!);
      const contents = method === STORED ? kept : inflate(kept, { form: "raw", mostBytes: size!, what: about });
      const got = crc32(contents);
      if (got === crc) return contents;
      refuse(`${what}, checksum of ${JSON.stringify(name)}`, `${got}`, `${crc}`);
    });
  }
  // Files that share bytes could make a small zip unpack to more than the memory.
  if (directory.at === length && total <= start!) return files;
  const got = `${count} files of ${total} bytes, ${length! - directory.at} bytes of directory more`;
  refuse(what, got, `at most ${start} bytes, and no more`);
}

function readFields(cursor: ByteCursor, { signature, fields }: typeof LOCAL): number[] {
  const values = fields.map((size) => cursor.uint(size));
  if (values[0] === signature) return values;
  const wanted = `0x${signature.toString(16)}: the file is cut off or damaged`;
  refuse(`${cursor.what}, up to byte ${cursor.at}`, `mark 0x${values[0]!.toString(16)}`, wanted);
}
