import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { locate, MisplacedError, unlessReadable } from "./io_errors.ts";

/** A record of more bytes is neither written nor read. This is enough for a result of four hundred thousand files. */
export const MAX_RECORD_BYTES = 64 * 2 ** 20;

/** Resolves the links in a path, even if its end does not exist yet; returns the path itself if that fails. */
export function realPath(path: string): string {
  // Paths that cannot be read are refused elsewhere.
  const real = unlessReadable(() => Deno.realPathSync(path), undefined);
  return real ?? (dirname(path) === path ? path : join(realPath(dirname(path)), basename(path)));
}

/** Returns a text that can be read again as a record. @throws MisplacedError if the text is too large for that */
export function asRecord(text: string, path: string): string {
  if (text.length * 3 < MAX_RECORD_BYTES) return text;
  const { length } = new TextEncoder().encode(text);
  if (length <= MAX_RECORD_BYTES) return text;
  const [size, most] = [length, MAX_RECORD_BYTES].map((bytes) => `${Math.ceil(bytes / 2 ** 20)} MiB`);
  const why = `it would have ${size}, and at most ${most} are read; it lists too many files or stages`;
  throw new MisplacedError(`Cannot write ${path}: ${why}`);
}

const CHUNK_BYTES = 1 << 20;

export function sha256Of(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** Opens a regular file for reading, and nothing else: a pipe would wait for its writer, and a device has no end. */
export function openPlain(path: string): Deno.FsFile {
  if (!Deno.statSync(path).isFile) throw new MisplacedError(`Cannot read ${path}: it is not a regular file`);
  return Deno.openSync(path, { read: true });
}

/** Reads from a file until the buffer is full or the file ends. @returns the part of the buffer that was filled */
export function fill(bytes: Uint8Array<ArrayBuffer>, file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (let read: number | null = 1; length < bytes.length && read !== null;) {
    read = file.readSync(bytes.subarray(length));
    length += read ?? 0;
  }
  return bytes.subarray(0, length);
}

/** Returns the content of a file; undefined if it is missing, unreadable or larger than `mostBytes`. */
export function readIfThere(path: string, mostBytes: number = MAX_RECORD_BYTES): Uint8Array<ArrayBuffer> | undefined {
  return unlessReadable(() => {
    using file = openPlain(path);
    const { size } = file.statSync();
    if (size > mostBytes) return undefined;
    // Files of the system, as in /proc, report a size of 0 bytes.
    return fill(new Uint8Array(size || 1 << 16), file);
  }, undefined);
}

export function readTextIfThere(path: string): string | undefined {
  const bytes = readIfThere(path);
  return bytes && new TextDecoder().decode(bytes);
}

/** The end of a text file, in whole lines; undefined where there is none that can be read. @param bytes at most */
export function readTail(path: string, bytes: number): string | undefined {
  return unlessReadable(() => {
    using file = openPlain(path);
    const { size } = file.statSync();
    const from = Math.max(0, size - bytes);
    file.seekSync(from, Deno.SeekMode.Start);
    const tail = fill(new Uint8Array(size - from), file);
    return new TextDecoder().decode(tail.subarray(from === 0 ? 0 : tail.indexOf(10) + 1));
  }, undefined);
}

/**
 * Yields the lines of a file of any size. Text after the last line break may still be being written, and a line longer
 * than a record cannot be one; both are left out. A path that is not a regular file has no lines.
 * @returns the offset of each line, and its bytes without the break, which are valid until the next line is asked for
 */
export function* readLines(path: string, from: number = 0): Generator<{ offset: number; bytes: Uint8Array }> {
  using file = unlessReadable(() => openPlain(path), undefined);
  if (file === undefined) return;
  file.seekSync(from, Deno.SeekMode.Start);
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(1, file.statSync().size - from)));
  let begun: Uint8Array[] = [];
  let held = 0;
  let offset = from;
  for (let read = file.readSync(chunk), at = from; read !== null; at += read, read = file.readSync(chunk)) {
    const part = chunk.subarray(0, read);
    let start = 0;
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, start)) {
      const last = part.subarray(start, end);
      if (held + last.length <= MAX_RECORD_BYTES) {
        yield { offset, bytes: begun.length === 0 ? last : Buffer.concat([...begun, last]) };
      }
      begun = [];
      held = 0;
      start = end + 1;
      offset = at + start;
    }
    held += read - start;
    if (held <= MAX_RECORD_BYTES) begun.push(part.slice(start));
    else begun = [];
  }
}

/** Returns the SHA-256 of a file, streamed. */
export function hashFile(path: string): string {
  using file = openPlain(path);
  return hashOpen(file, path);
}

/** True if a file's content has a digest. A file that cannot be read, or is not a regular file, does not. */
export function holds(path: string, sha256: string): boolean {
  return unlessReadable(() => hashFile(path), undefined) === sha256;
}

/** How the process tells that it hashes much, which takes long; a command prints it. */
export const hashing: { tell: (path: string, totalBytes: number) => void; bytes: number } = {
  tell: () => {},
  bytes: 0,
};
/** The number of bytes after which it tells again. */
const TOLD_BYTES = 1 << 30;

/** Shared, since hashing never yields: clearing a fresh megabyte takes longer than hashing a small file. */
let buffer: Uint8Array | undefined;

export function hashOpen(file: Deno.FsFile, path: string): string {
  const digest = createHash("sha256");
  const chunk = buffer ??= new Uint8Array(CHUNK_BYTES);
  locate(path, () => {
    for (let read = file.readSync(chunk); read !== null; read = file.readSync(chunk)) {
      digest.update(chunk.subarray(0, read));
      hashing.bytes += read;
      if (hashing.bytes % TOLD_BYTES < read) hashing.tell(path, hashing.bytes);
    }
  });
  return digest.digest("hex");
}

/**
 * True if something exists at a path of the store's own, where no links lie. For an absent file this costs an eighth of
 * the error in `statIfThere`.
 */
export const isThere: (path: string) => boolean = existsSync;

/** Error codes for a path where nothing is, including names that nothing can have. */
const ABSENT = ["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EINVAL"];

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (ABSENT.includes((error as { code?: string }).code ?? "")) return undefined;
    throw error;
  }
}

export function statIfThere(path: string): Deno.FileInfo | undefined {
  return ifThere(() => Deno.lstatSync(path));
}

/** The entries of a folder; none if there is no folder, or if a run is removing it at this moment. */
export function entriesOf(folder: string): Deno.DirEntry[] {
  return ifThere(() => [...Deno.readDirSync(folder)]) ?? [];
}

/**
 * Yields the entries at a given depth in a folder, such as objects, which lie in folders named by the start of their
 * own names. Follows no links on the way: a link may lead outside the store.
 */
export function* entriesAt(depth: number, folder: string): Generator<Deno.DirEntry & { readonly path: string }> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (depth === 1) yield { ...entry, path };
    else if (entry.isDirectory) yield* entriesAt(depth - 1, path);
  }
}

/** The metadata that tells whether a file has changed. */
export type FileFacts = Readonly<ReturnType<typeof factsOf>>;

export function factsOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo) {
  return { dev: dev ?? 0, ino: ino ?? 0, size, mtimeMs: mtime?.getTime() ?? 0, ctimeMs: ctime?.getTime() ?? 0 };
}

/** The facts of a file or folder at a path; undefined if nothing is there. */
export function factsAt(path: string): FileFacts | undefined {
  const info = statIfThere(path);
  return info && factsOf(info);
}

export function sameFacts(a: FileFacts, b: FileFacts): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
}
