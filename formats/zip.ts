import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { asFormatError } from "./archives.ts";
import { refuse } from "./format_error.ts";
import { inflate } from "./inflate.ts";
// @ts-types="./yauzl.d.ts"
import yauzl from "yauzl";

/** One file of a zip in memory. */
interface ZippedFile {
  /** Number of bytes, unpacked. */
  readonly size: number;
  /**
   * Returns the bytes, as a view if they are stored uncompressed.
   * @throws FormatError when they are damaged, or more than `mostBytes`
   */
  read(mostBytes: number): Promise<Uint8Array>;
}

/** Method of files that are not compressed. */
const STORED = 0;

/**
 * Opens a zip in memory.
 *
 * @param what what the zip is, for messages
 * @returns files by name @throws FormatError when the zip is damaged, or holds two files of one name
 */
export async function openZip(bytes: Uint8Array, what: string): Promise<ReadonlyMap<string, ZippedFile>> {
  const guarded = async <T>(about: string, work: Promise<T>) => {
    return await work.catch((cause) => Promise.reject(asFormatError(cause, about, "a whole zip")));
  };
  const zip = await guarded(what, yauzl.fromBufferPromise(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)));
  const entries = await guarded(what, Array.fromAsync(zip.eachEntry()));
  const files = new Map(entries.map((entry) => {
    const { fileName: name, compressedSize, compressionMethod, uncompressedSize: size, crc32: wanted } = entry;
    const about = `${what}, ${JSON.stringify(name.slice(0, 80))}`;
    const read = async (mostBytes: number) => {
      if (size > mostBytes) refuse(about, `${size} bytes`, `at most ${mostBytes}`);
      const { fileDataStart } = await guarded(about, zip.readLocalFileHeaderPromise(entry, { minimal: true }));
      const kept = bytes.subarray(fileDataStart, fileDataStart + compressedSize);
      const contents = compressionMethod === STORED
        ? kept
        : inflate(kept, { form: "raw", mostBytes: size, what: about });
      return crc32(contents) === wanted ? contents : refuse(about, `checksum ${crc32(contents)}`, `${wanted}`);
    };
    return [name, { size, read }];
  }));
  if (files.size < entries.length) refuse(what, `${entries.length} files`, "files each of another name");
  return files;
}
