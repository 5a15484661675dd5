/**
 * Every write of the store goes through this module, so that no write leaves the folders that were opened for it
 * (`write_roots.ts`). Reads are in `reading.ts`.
 */
import { dirname } from "node:path";
import type { FileContent } from "../contract/stage.ts";
import { Semaphore } from "../../std/semaphore.ts";
import { asRecord, hashOpen, openPlain, statIfThere } from "./reading.ts";
import { locate } from "./io_errors.ts";
import { assertFolder, assertInside, isWithin } from "./write_roots.ts";

export function makeFolder(path: string): void {
  assertFolder(path);
  Deno.mkdirSync(path, { recursive: true });
}

/** The scratch folder, which disappears with this process: nothing in it is flushed. */
let scratchRoot: string | undefined;

/** Turns off flushing below a folder that disappears with this process. */
export function disableFsync(folder: string): void {
  scratchRoot = folder;
}

const isScratch = (path: string) => scratchRoot !== undefined && isWithin(path, scratchRoot);

function sync(file: Deno.FsFile, path: string): void {
  if (!isScratch(path)) file.syncSync();
}

/** Makes a rename or a new name in a folder durable. Windows cannot open folders and needs no such step. */
export function syncFolder(path: string): void {
  if (Deno.build.os === "windows") return;
  using folder = Deno.openSync(path, { read: true });
  sync(folder, path);
}

/** Limits the files that are open for asynchronous flushes; hundreds of flushes may be waiting. */
const flushes = new Semaphore(32);

/**
 * As {@linkcode syncFolder}, without blocking this process. Flushes that run at the same time share one commit of the
 * file system's journal.
 */
export function flushFolder(path: string): Promise<void> {
  return flushes.run(async () => {
    if (Deno.build.os === "windows") return;
    using folder = Deno.openSync(path, { read: true });
    await flush(folder, path);
  });
}

async function flush(file: Deno.FsFile, path: string): Promise<void> {
  if (!isScratch(path)) await file.sync();
}

/** Creates or replaces a file and flushes it. Not atomic: use it for names that nobody reads yet. */
export function writeNew(path: string, content: FileContent | string): void {
  using file = writeOpen(path, content);
  sync(file, path);
}

/** Creates or replaces a file without flushing it. */
export function writeUnflushed(path: string, content: FileContent | string): void {
  writeOpen(path, content).close();
}

/** Returns the parts of a file's content. */
export function partsOf(content: FileContent | string): readonly Uint8Array[] {
  const whole = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return whole instanceof Uint8Array ? [whole] : whole;
}

function writeOpen(path: string, content: FileContent | string): Deno.FsFile {
  assertInside(path);
  setOddAside(path);
  const file = Deno.openSync(path, { write: true, create: true, truncate: true });
  try {
    for (const part of partsOf(content)) writeAll(file, part, path);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Writes all bytes to an open file. @param path the path that errors name */
export function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): void {
  locate(path, () => {
    for (let offset = 0; offset < bytes.length;) offset += file.writeSync(bytes.subarray(offset));
  });
}

/**
 * Sets aside whatever lies at the path of a store file and is not a regular file: writing into a link would change the
 * link's target, opening a pipe may block for ever, and a folder takes no bytes. Somebody else put it there, and can
 * look at it under its new name.
 */
function setOddAside(path: string): void {
  const info = statIfThere(path);
  if (info !== undefined && !info.isFile) setAside(path);
}

/** Renames something unusable to `<path>.broken`, a name that nothing serves. */
export function setAside(path: string): void {
  removeTree(`${path}.broken`);
  rename(path, `${path}.broken`);
}

/**
 * Replaces a file so that readers see the old content or the new, and a crash leaves one of them.
 * @param temporary where the new file is written until it is renamed, in the same folder
 */
export function writeAtomically(
  path: string,
  content: Uint8Array | string,
  temporary: string = `${path}.${Deno.pid}.${counter++}.tmp`,
): void {
  try {
    writeNew(temporary, content);
    moveInto(temporary, path);
  } finally {
    removeQuietly(temporary);
  }
}

/** As {@linkcode writeAtomically}, but flushes without blocking this process. */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${Deno.pid}.${counter++}.tmp`;
  try {
    await flushes.run(async () => {
      using file = writeOpen(temporary, content);
      await flush(file, temporary);
    });
    await moveDurably(temporary, path);
  } finally {
    removeQuietly(temporary);
  }
}

let counter = 0;

/** Files that lines are appended to, kept open: opening a file costs more than writing a line. */
const appended = new Map<string, Deno.FsFile>();
const MAX_APPENDED = 64;

/**
 * Appends one line with a single write. A crash can tear the line; readers skip a torn line. If the file ends in the
 * torn line of a killed process, a line break is written first.
 * @returns the number of bytes of the line
 * @throws MisplacedError if the line is too long for readers
 */
export function appendLine(path: string, line: string): number {
  const bytes = new TextEncoder().encode(`${asRecord(line, path)}\n`);
  assertInside(path);
  const file = appended.get(path) ?? openForAppending(path);
  try {
    writeAll(file, bytes, path);
  } catch (error) {
    // Half of the line may be written. Reopening the file ends that half with a break, so the next line is not glued to
    // it.
    closeAppended(path);
    throw error;
  }
  return bytes.length;
}

function openForAppending(path: string): Deno.FsFile {
  setOddAside(path);
  const file = Deno.openSync(path, { append: true, create: true, read: true });
  const { size } = file.statSync();
  const last = new Uint8Array(1);
  if (size > 0) {
    file.seekSync(size - 1, Deno.SeekMode.Start);
    file.readSync(last);
    if (last[0] !== 10) file.writeSync(new Uint8Array([10]));
  }
  if (appended.size >= MAX_APPENDED) closeAppended(appended.keys().next().value!);
  appended.set(path, file);
  return file;
}

/** Closes a file that lines were appended to, before the file is replaced or removed. */
export function closeAppended(path: string): void {
  appended.get(path)?.close();
  appended.delete(path);
}

export function rename(from: string, to: string): void {
  assertInside(from);
  assertInside(to);
  Deno.renameSync(from, to);
}

/** Renames a file over another. A folder in the other's place is set aside. */
function replace(from: string, to: string): void {
  closeAppended(to);
  try {
    rename(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.IsADirectory)) throw error;
    setOddAside(to);
    rename(from, to);
  }
}

/** Renames a file, then makes the new name durable. */
export function moveInto(from: string, to: string): void {
  replace(from, to);
  syncFolder(dirname(to));
}

/** As {@linkcode moveInto}, but flushes without blocking this process. */
export async function moveDurably(from: string, to: string): Promise<void> {
  replace(from, to);
  await flushFolder(dirname(to));
}

export function setMode(path: string, mode: number): void {
  assertInside(path);
  if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
}

/** Copies a file; the blocks are shared where the file system can share them. */
export function copyFile(from: string, to: string): void {
  assertInside(to);
  Deno.copyFileSync(from, to);
}

/** Makes a hard link to a file, or copies the file where the file system cannot link. */
export function linkOrCopy(from: string, to: string): void {
  assertInside(to);
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    Deno.copyFileSync(from, to);
  }
}

export function removeTree(path: string): void {
  // Checking first is cheaper than the error of removing a missing path.
  if (statIfThere(path) === undefined) return;
  assertInside(path);
  Deno.removeSync(path, { recursive: true });
}

/** Removes a path where failing to do so must not hide an earlier error. */
export function removeQuietly(path: string): void {
  try {
    removeTree(path);
  } catch {
    // A later run sweeps what is left in a temporary folder.
  }
}

/** Opens a lock file, which is never removed. */
export function openLockFile(path: string): Deno.FsFile {
  assertInside(path);
  setOddAside(path);
  return Deno.openSync(path, { read: true, write: true, create: true });
}

/** Replaces the content of an open file, keeping the file. */
export function rewrite(file: Deno.FsFile, path: string, text: string): void {
  const bytes = new TextEncoder().encode(text);
  assertInside(path);
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  writeAll(file, bytes, path);
}

/** Flushes a file that somebody else wrote, without blocking this process, and returns the file's SHA-256. */
export function flushAndHash(path: string): Promise<string> {
  return flushes.run(async () => {
    using file = openPlain(path);
    await flush(file, path);
    return hashOpen(file, path);
  });
}
