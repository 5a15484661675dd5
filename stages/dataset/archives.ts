import { createTarDecoder } from "modern-tar";
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
// @ts-types="./yauzl.d.ts"
import yauzl from "yauzl";
import { FormatError, refuse } from "../../formats/format_error.ts";
import { unpacksToMore } from "../../formats/inflate.ts";
import { type Files, isHidden, kindOfName, MAX_FILE_BYTES, NOT_UTF8, readable } from "./image_files.ts";
import type { BrokenFiles } from "./items.ts";
import { parseJson } from "./labels.ts";

/** One file of an archive, which can be read until the next one is asked for. */
interface Entry {
  readonly name: string;
  readonly isFile: boolean;
  /** @throws FormatError if it is longer than `mostBytes`, or damaged */
  read(mostBytes: number): Promise<Uint8Array>;
}

/** Goes through the files of an archive once, in their order. */
type Pass = () => AsyncIterable<Entry>;

/** Files that tell a label have no more than this. */
const MOST_LABEL_BYTES = 1 << 20;
const MOST_TABLE_BYTES = 512 << 20;

/** Names a sample of a WebDataset: the path up to the first dot of the file's name. */
export const sampleOf = (name: string) => /^(?:.*\/)?[^/.]*/.exec(name)![0];

/**
 * Lists the images of an archive, which stays packed: reading goes through it a second time.
 * @param column the key of the labels in the `.json` beside each image, if that has them
 */
export async function listArchive(pass: Pass, column: string | undefined): Promise<Files> {
  /** Places in the archive, by name. */
  const images = new Map<string, number>();
  const broken: BrokenFiles = new Map();
  const samples = new Map<string, unknown>();
  let table: Uint8Array | undefined;
  let [others, at] = [0, -1];
  for await (const entry of pass()) {
    const { name, isFile } = entry;
    at++;
    if (isHidden(name) || name === "" || name.endsWith("/")) continue;
    const kind = kindOfName(name);
    if (name === "dataset.json" && isFile) table = await entry.read(MOST_TABLE_BYTES);
    else if (name.endsWith(".cls") && isFile && column === undefined) {
      samples.set(sampleOf(name), new TextDecoder().decode(await entry.read(MOST_LABEL_BYTES)).trim());
    } else if (name.endsWith(".json") && isFile && column !== undefined) {
      const said = parseJson(new TextDecoder().decode(await entry.read(MOST_LABEL_BYTES)), name);
      samples.set(sampleOf(name), (said as Readonly<Record<string, unknown>> | null)?.[column]);
    } else if (kind === "other") others++;
    else if (name.includes("\ufffd")) broken.set(name, NOT_UTF8);
    else if (kind !== "image") broken.set(name, kind);
    else if (!isFile) broken.set(name, "a link, or something else that is no file");
    else if (images.has(name)) broken.set(name, "a second file of this name");
    else images.set(name, at);
  }
  const places = Uint32Array.from(images.values());
  return {
    ...{ images: [...images.keys()], broken, others, samples, table },
    async *read(chosen) {
      let [at, next] = [-1, 0];
      for await (const entry of pass()) {
        if (++at !== places[chosen[next]!]) continue;
        yield await readable(() => entry.read(MAX_FILE_BYTES));
        if (++next === chosen.length) return;
      }
    },
  };
}

/** The bits of a mode that tell files from links and folders, and those of a file. */
const [FILE_TYPE, REGULAR] = [0o170000, 0o100000];

/** A file of a zip, which can also be read piece by piece. */
interface ZipEntry extends Entry {
  /** @throws FormatError at its end, if it is damaged */
  stream(): AsyncIterable<Uint8Array>;
}

/** Goes through a zip, also one of more than 4 GiB or 65,535 files, by its directory. */
export async function* zipEntries(path: string): AsyncGenerator<ZipEntry> {
  try {
    const zip = await yauzl.openPromise(path);
    for await (const entry of zip.eachEntry()) {
      const { fileName: name, uncompressedSize: size, crc32: wanted } = entry;
      const mode = entry.externalFileAttributes >>> 16 & FILE_TYPE;
      const stream = async function* () {
        let sum = 0;
        try {
          // The reader refuses more or fewer bytes than the size.
          for await (const piece of await zip.openReadStreamPromise(entry)) {
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
        isFile: mode === 0 || mode === REGULAR,
        stream,
        async read(mostBytes) {
          if (size > mostBytes) refuse(`${path}, ${name}`, `${size} bytes`, `at most ${mostBytes}`);
          return Buffer.concat(await Array.fromAsync(stream()));
        },
      };
    }
  } catch (cause) {
    throw asFormatError(cause, path, "a whole zip");
  }
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
        let isRead = false;
        yield {
          name: name.replace(/^(\.\/)+/, ""),
          isFile: type === "file",
          async read(mostBytes) {
            if (size > mostBytes) refuse(`${path}, ${name}`, `${size} bytes`, `at most ${mostBytes}`);
            isRead = true;
            try {
              return Buffer.concat(await Array.fromAsync(body));
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
