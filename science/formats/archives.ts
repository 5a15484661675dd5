import { createTarDecoder } from "modern-tar";
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
// @ts-types="./yauzl.d.ts"
import yauzl from "yauzl";
import { FormatError, refuse, shown } from "./format_error.ts";
import { unpacksToMore } from "./inflate.ts";

/** One file of an archive, which can be read until the next one is asked for; of a zip in memory, at any time. */
export interface Entry {
  readonly name: string;
  readonly isFile: boolean;
  /** @throws FormatError if it is longer than `mostBytes`, or damaged */
  read(mostBytes: number): Promise<Uint8Array>;
}

/** The bits of a mode that tell files from links and folders, and those of a file. */
const [FILE_TYPE, REGULAR] = [0o170000, 0o100000];

/** The marks that may follow the directory of a zip: its end, that of a zip of more than 4 GiB, and a signature. */
const AFTER_DIRECTORY = ["504b0506", "504b0606", "504b0505"];

/** The bytes before the name of a file of a zip; those that are read at once to list files; and of a file's content. */
const [LOCAL_HEADER, READ_AHEAD, PIECE] = [30, 4096, 1 << 16];

/** A file of a zip, which can also be read piece by piece. */
interface ZipEntry extends Entry {
  /** Number of bytes, unpacked. */
  readonly size: number;
  /**
   * The checksum is compared at the end, so whoever uses a piece has to read to the end.
   * @throws FormatError at its end, if it is damaged
   */
  stream(): AsyncIterable<Uint8Array>;
}

/**
 * Goes through a zip, also one of more than 4 GiB or 65,535 files, by its directory.
 * @param path for messages alone if there are `bytes`
 */
export async function* zipEntries(path: string, bytes?: Uint8Array): AsyncGenerator<ZipEntry> {
  try {
    using names = new Parts(path, bytes);
    using parts = new Parts(path, bytes);
    const zip = await yauzl.fromRandomAccessReaderPromise(new Reader(parts), parts.size, { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      const { fileName: name, uncompressedSize: size, crc32: wanted } = entry;
      const mode = entry.externalFileAttributes >>> 16 & FILE_TYPE;
      // Damage to a name would give a file to another, or hide it.
      const local = nameAt(names, entry.relativeOffsetOfLocalHeader);
      if (local === undefined || !entry.fileNameRaw.equals(local)) {
        const got = local === undefined ? "no file" : `${shown(`${Buffer.from(local)}`)} before its content`;
        refuse(`${path}, ${name}`, got, "one name in both places");
      }
      const stream = async function* () {
        let sum = 0;
        const opened = new Promise<AsyncIterable<Uint8Array>>((resolve, reject) => {
          // A zip in memory may have failed before anyone waits for its first piece, who then still gets the error.
          zip.openReadStream(entry, (error, stream) => error ? reject(error) : resolve(stream.on("error", () => {})));
        });
        try {
          // The reader refuses more or fewer bytes than the size.
          for await (const piece of await opened) {
            sum = crc32(piece, sum);
            yield piece;
          }
        } catch (cause) {
          throw asFormatError(cause, `${path}, ${name}`, "a whole file of a zip");
        }
        if (sum !== wanted) refuse(`${path}, checksum of ${name}`, `${sum}`, `${wanted}`);
      };
      yield {
        name,
        size,
        isFile: mode === 0 || mode === REGULAR,
        stream,
        async read(mostBytes) {
          if (size > mostBytes) refuse(`${path}, ${name}`, `${size} bytes`, `at most ${mostBytes}`);
          return await gather(stream(), size);
        },
      };
    }
    if (!AFTER_DIRECTORY.includes(parts.at(zip.readEntryCursor, 4).toHex())) {
      refuse(path, "a directory that goes on after its last file", "a whole zip");
    }
  } catch (cause) {
    throw asFormatError(cause, path, "a whole zip");
  }
}

/**
 * Parts of a file, or of bytes. Parts that lie close together are read at once, and without a wait: a wait for each of
 * the files of a zip takes longer than all else that is done to list them.
 */
class Parts implements Disposable {
  readonly size: number;
  readonly #file: Deno.FsFile | undefined;
  #held: Uint8Array = new Uint8Array();
  #start = 0;

  constructor(path: string, bytes?: Uint8Array) {
    if (bytes === undefined) this.#file = Deno.openSync(path);
    else this.#held = bytes;
    this.size = bytes?.length ?? this.#file!.statSync().size;
  }

  /** Returns bytes from a place on; fewer at the end of the file, and none past it, where the system takes no place. */
  at(start: number, length: number): Uint8Array {
    if (start >= this.size) return new Uint8Array();
    if (this.#file !== undefined && (start < this.#start || start + length > this.#start + this.#held.length)) {
      this.#file.seekSync(this.#start = start, Deno.SeekMode.Start);
      this.#held = new Uint8Array(Math.max(READ_AHEAD, length));
      this.#held = this.#held.subarray(0, this.#file.readSync(this.#held) ?? 0);
    }
    return this.#held.subarray(start - this.#start, start - this.#start + length);
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }
}

/** Reads for yauzl, whose own readers throw past its promises where a zip names a place that no file has. */
class Reader extends yauzl.RandomAccessReader {
  constructor(private readonly parts: Parts) {
    super();
  }

  read(into: Uint8Array, offset: number, length: number, from: number, done: (...end: unknown[]) => void): void {
    try {
      const part = this.parts.at(from, length);
      into.set(part, offset);
      setImmediate(done, null, part.length);
    } catch (error) {
      setImmediate(done, error);
    }
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const { parts } = this;
    const pieces = function* () {
      for (let at = start; at < end && at < parts.size; at += PIECE) yield parts.at(at, Math.min(PIECE, end - at));
    };
    return Readable.from(pieces(), { objectMode: false });
  }
}

/** Returns the name that stands before the content of a file of a zip; undefined if no file begins there. */
function nameAt(parts: Parts, start: number): Uint8Array | undefined {
  const header = parts.at(start, LOCAL_HEADER);
  if (header.length < LOCAL_HEADER || header.subarray(0, 4).toHex() !== "504b0304") return undefined;
  return parts.at(start + LOCAL_HEADER, header[26]! | header[27]! << 8);
}

/** Puts pieces together as they come, so that a large file is not in memory twice. */
async function gather(pieces: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Opens a zip in memory.
 *
 * @param what what the zip is, for messages
 * @returns files by name @throws FormatError when the zip is damaged, or holds two files of one name
 */
export async function openZip(bytes: Uint8Array, what: string): Promise<ReadonlyMap<string, ZipEntry>> {
  const entries = await Array.fromAsync(zipEntries(what, bytes));
  checkNames(what, entries.map(({ name }) => name));
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** @throws FormatError when two files or arrays have one name */
export function checkNames(what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) refuse(what, `two of the name ${shown(twice)}`, "names that differ; write the file again");
}

const GZIP = "1f8b";

/** Goes through tars, one after the other, each of them packed by gzip or not, and of at most `mostBytes` unpacked. */
export async function* tarEntries(paths: readonly string[], mostBytes = Infinity): AsyncGenerator<Entry> {
  for (const path of paths) {
    let [place, read] = ["", 0];
    const fault = (cause: unknown) =>
      asFormatError(cause, `${path}${place}, with ${read} bytes read`, "a whole tar, packed by gzip or not");
    try {
      let bytes: ReadableStream<Uint8Array<ArrayBuffer>> = (await Deno.open(path)).readable;
      if (await startOf(path) === GZIP) bytes = bytes.pipeThrough(new DecompressionStream("gzip"));
      const counted = ReadableStream.from(async function* () {
        for await (const piece of bytes) {
          if ((read += piece.length) > mostBytes) throw unpacksToMore(path, mostBytes);
          yield piece;
        }
      }());
      for await (
        const { header: { name, type, size }, body } of counted.pipeThrough(createTarDecoder({ strict: true }))
      ) {
        place = `, in or after ${name}`;
        // A zip with such a name is refused too.
        const wrong = yauzl.validateFileName(name.replaceAll("\\", "/"));
        if (wrong !== null) refuse(path, wrong, "names of files within the archive");
        let isRead = false;
        yield {
          name: name.replace(/^(\.\/)+/, ""),
          isFile: type === "file",
          async read(mostBytes) {
            if (size > mostBytes) refuse(`${path}, ${name}`, `${size} bytes`, `at most ${mostBytes}`);
            isRead = true;
            try {
              return await gather(body, size);
            } catch (cause) {
              throw fault(cause);
            }
          },
        };
        // Cancelled, modern-tar 0.8.6 would give the next file no bytes if it has begun already, and wait for ever.
        if (!isRead) { for await (const _ of body); }
      }
    } catch (cause) {
      throw fault(cause);
    }
  }
}

/** Returns the first two bytes of a file in hexadecimal digits. */
export async function startOf(path: string): Promise<string> {
  using file = await Deno.open(path);
  const start = new Uint8Array(2);
  await file.read(start);
  return start.toHex();
}

/** Archives that are broken make the unpackers throw errors without a code; errors of the operating system have one. */
export function asFormatError(cause: unknown, path: string, wanted: string): unknown {
  if (cause instanceof FormatError || !(cause instanceof Error)) return cause;
  const isSystems = "code" in cause && typeof cause.code === "string" && /^E[A-Z]+$/.test(cause.code);
  return isSystems ? cause : new FormatError(path, { got: cause.message.replace(/\.$/, ""), wanted, cause });
}
