/**
 * Every write of the store goes through this module, so that tests can count, kill or fail each one, and so that none
 * leads out of the folders that were opened for it (`roots.ts`). Reads are in `reading.ts`.
 */
import { dirname } from "node:path";
import { Limit } from "./limit.ts";
import { asRecord, hashOpen, openPlain, statIfThere } from "./reading.ts";
import { locate } from "./trouble.ts";
import { assertFolder, assertInside, isWithin } from "./roots.ts";

export type FileOperation =
  | "mkdir"
  | "write"
  | "append"
  /** Between the two halves of a write or an append. */
  | "half"
  | "fsync"
  | "rename"
  | "copy"
  | "link"
  | "chmod"
  | "remove"
  | "lock";

/** What an operation works with besides its path. */
export interface OperationDetail {
  /** Of a rename, a copy or a link. */
  readonly from?: string;
  /** Of a write or an append. */
  readonly bytes?: Uint8Array;
}

/** Called before each operation; may throw to make it fail. */
export type OperationHook = (operation: FileOperation, path: string, detail?: OperationDetail) => void;

let hook: OperationHook | undefined;

/** Watch or fail the store's operations. Tests only; pass undefined to stop. */
export function setOperationHook(next: OperationHook | undefined): void {
  hook = next;
}

/** What every operation goes through that puts something at a path, takes it away or moves it there. */
function begin(operation: FileOperation, path: string, detail?: OperationDetail): void {
  assertInside(path);
  hook?.(operation, path, detail);
}

export function makeFolder(path: string): void {
  assertFolder(path);
  hook?.("mkdir", path);
  Deno.mkdirSync(path, { recursive: true });
}

/** What outlives neither this process nor its machine. */
let fleeting: string | undefined;

/** Flush nothing below a folder, which goes with this process. */
export function spareFlushes(folder: string): void {
  fleeting = folder;
}

const isFleeting = (path: string) => fleeting !== undefined && isWithin(path, fleeting);

function sync(file: Deno.FsFile, path: string): void {
  if (isFleeting(path)) return;
  hook?.("fsync", path);
  file.syncSync();
}

/** Make a rename or a new name in a folder durable. Windows cannot open folders and needs no such step. */
export function syncFolder(path: string): void {
  if (Deno.build.os === "windows") return;
  using folder = Deno.openSync(path, { read: true });
  sync(folder, path);
}

/** Files that are open while they are flushed beside other work; hundreds may wait for their turn. */
const flushes = new Limit(32);

/**
 * The same without blocking this process. Flushes that are on at the same time share one commit of the file system's
 * journal.
 */
export function flushFolder(path: string): Promise<void> {
  return flushes.run(async () => {
    if (Deno.build.os === "windows") return;
    using folder = Deno.openSync(path, { read: true });
    await flush(folder, path);
  });
}

async function flush(file: Deno.FsFile, path: string): Promise<void> {
  if (isFleeting(path)) return;
  hook?.("fsync", path);
  await file.sync();
}

/** Create or replace a file and flush it. Not atomic: use it for names that nobody reads yet. */
export function writeNew(path: string, content: Uint8Array | string): void {
  using file = writeOpen(path, content);
  sync(file, path);
}

/** Create or replace a file that somebody flushes later. */
export function writeUnflushed(path: string, content: Uint8Array | string): void {
  writeOpen(path, content).close();
}

function writeOpen(path: string, content: Uint8Array | string): Deno.FsFile {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  begin("write", path, { bytes });
  setOddAside(path);
  const file = Deno.openSync(path, { write: true, create: true, truncate: true });
  try {
    writeAll(file, bytes, path);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): void {
  let offset = 0;
  if (hook !== undefined) {
    // A kill or a full disk can leave any part of a write; half of it stands for all of them.
    while (offset < bytes.length >> 1) offset += file.writeSync(bytes.subarray(offset, bytes.length >> 1));
    hook("half", path);
  }
  locate(path, () => {
    while (offset < bytes.length) offset += file.writeSync(bytes.subarray(offset));
  });
}

/**
 * Writing into a link would change what it leads to, opening a pipe may take for ever, and a folder takes no bytes. What
 * lies in the place of a file of the store and is none was put there by somebody else, who may look at it there.
 */
function setOddAside(path: string): void {
  const info = statIfThere(path);
  if (info !== undefined && !info.isFile) setAside(path);
}

/** Move what cannot be used out of the way, under a name that nothing serves. */
export function setAside(path: string): void {
  removeTree(`${path}.broken`);
  rename(path, `${path}.broken`);
}

/**
 * Replace a file so that readers see the old content or the new, and a crash leaves one of them.
 * @param temporary where it is until then, beside it
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

/** As {@linkcode writeAtomically}, while other work goes on. */
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

/** Files that lines are appended to, kept open: opening costs more than writing a line. */
const appended = new Map<string, Deno.FsFile>();
const MAX_APPENDED = 64;

/**
 * Append one line with a single write. A crash can tear it; readers skip a torn line. The line starts with a break of
 * its own if the file ends in the torn line of a process that was killed.
 * @returns the bytes of the line
 * @throws Misplaced for a line that no reader would take
 */
export function appendLine(path: string, line: string): number {
  const bytes = new TextEncoder().encode(`${asRecord(line, path)}\n`);
  begin("append", path, { bytes });
  const file = appended.get(path) ?? openForAppending(path);
  try {
    writeAll(file, bytes, path);
  } catch (error) {
    // Half of the line may be there; the next one must not be glued to it.
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

/** Let go of a file that lines were appended to, before it is replaced or removed. */
export function closeAppended(path: string): void {
  appended.get(path)?.close();
  appended.delete(path);
}

export function rename(from: string, to: string): void {
  assertInside(from);
  begin("rename", to, { from });
  Deno.renameSync(from, to);
}

/** A folder in the place of a file goes out of its way, as a file does that is replaced. */
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

/** Rename, then make the new name durable. */
export function moveInto(from: string, to: string): void {
  replace(from, to);
  syncFolder(dirname(to));
}

/** As {@linkcode moveInto}, while other work goes on. */
export async function moveDurably(from: string, to: string): Promise<void> {
  replace(from, to);
  await flushFolder(dirname(to));
}

export function setMode(path: string, mode: number): void {
  begin("chmod", path);
  if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
}

/** Copy a file; the system shares the blocks where its file system can. */
export function copyFile(from: string, to: string): void {
  begin("copy", to, { from });
  Deno.copyFileSync(from, to);
}

/** Give a file a second name, or a copy where the file system cannot. */
export function linkOrCopy(from: string, to: string): void {
  begin("link", to, { from });
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    Deno.copyFileSync(from, to);
  }
}

export function removeTree(path: string): void {
  // Looking first is cheaper than the error of removing what is not there.
  if (statIfThere(path) === undefined) return;
  begin("remove", path);
  Deno.removeSync(path, { recursive: true });
}

/** Clean up where failing to clean up must not hide the first error. */
export function removeQuietly(path: string): void {
  try {
    removeTree(path);
  } catch {
    // What is left in a temporary folder is swept by a later run.
  }
}

/** Open a file to be locked. It is never removed. */
export function openLockFile(path: string): Deno.FsFile {
  begin("write", path);
  setOddAside(path);
  return Deno.openSync(path, { read: true, write: true, create: true });
}

/**
 * Try to take the kernel's lock on an open file; it goes with the process, however that ends.
 * @param alone whether nobody else may hold it; else any number may, unless one holds it alone
 */
export function tryLock(file: Deno.FsFile, path: string, alone = true): boolean {
  hook?.("lock", path);
  return file.tryLockSync(alone);
}

/** Replace what an open file holds, keeping the file. */
export function rewrite(file: Deno.FsFile, path: string, text: string): void {
  const bytes = new TextEncoder().encode(text);
  begin("write", path, { bytes });
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  writeAll(file, bytes, path);
}

/** SHA-256 of a file that somebody else wrote, after flushing it; other work goes on meanwhile. */
export function flushAndHash(path: string): Promise<string> {
  return flushes.run(async () => {
    using file = openPlain(path);
    await flush(file, path);
    return hashOpen(file, path);
  });
}
