/**
 * User code may read files that it may not change. Deno refuses to write them, but lets user code set mode, owner and
 * times of a file through a descriptor that is open for reading (`fchmod`, `fchown` and `futimes` of node:fs). So user
 * code gets copies, and the metadata of files that are too large to copy is restored afterwards.
 */
import { join } from "node:path";
import { z } from "zod";
import { writeNew } from "./files.ts";
import { readRecords } from "./records.ts";

/** User code gets copies of up to this size; a copy costs some hundredths of a second where blocks cannot be shared. */
const COPIED_BYTES = 64 << 20;

/** True if code that is not trusted gets the files themselves and not copies. */
export function isTooLargeToCopy(files: readonly { readonly size: number }[]): boolean {
  return files.reduce((sum, { size }) => sum + size, 0) > COPIED_BYTES;
}

const RECORD = "lent.jsonl";

/** Returns the metadata of a file or folder. The birth time shows later whether it is still the same one. */
function recordOf(path: string) {
  const { dev, ino, birthtime, mode, uid, gid, mtime } = Deno.statSync(path);
  const times = { born: birthtime?.getTime() ?? null, modified: mtime?.getTime() ?? null };
  return { path, dev, ino, mode, uid, gid, ...times };
}

function collect(path: string, found: Set<string>): void {
  const real = Deno.realPathSync(path);
  if (found.has(real)) return;
  found.add(real);
  if (!Deno.statSync(real).isDirectory) return;
  for (const { name } of Deno.readDirSync(real)) collect(join(real, name), found);
}

/**
 * Records the metadata of files, and of folders with everything in them, before a stage gets them. The record lies in
 * the folder of the stage's run, which the stage cannot see.
 */
export function snapshotMetadata(folder: string, paths: readonly string[]): void {
  const found = new Set<string>();
  for (const path of paths) collect(path, found);
  if (found.size === 0) return;
  const lines = Array.from(found, (path) => `${JSON.stringify(recordOf(path))}\n`);
  writeNew(join(folder, RECORD), lines.join(""));
}

/**
 * Restores the metadata of everything that was lent, also after a run was killed.
 * @returns the paths whose metadata had changed
 */
export function restoreMetadata(folder: string): string[] {
  // Needs no schema: the engine wrote the record, where no stage can write.
  return readRecords(join(folder, RECORD), z.custom<ReturnType<typeof recordOf>>()).filter((was) => {
    try {
      const now = recordOf(was.path);
      if (now.dev !== was.dev || now.ino !== was.ino || now.born !== was.born) return false;
      return restoreOne(was, now);
    } catch {
      // The file is gone, or another user's: then the stage could not change it.
      return false;
    }
  }).map(({ path }) => path);
}

function restoreOne(was: ReturnType<typeof recordOf>, now: ReturnType<typeof recordOf>): boolean {
  const { mtime, ctime, atime } = Deno.statSync(was.path);
  const owner = now.uid !== was.uid || now.gid !== was.gid;
  const mode = now.mode !== was.mode;
  // Writing to a file sets both times to the same value; what its owner wrote is not to be undone.
  const times = now.modified !== was.modified && mtime?.getTime() !== ctime?.getTime();
  // A change of owner clears some mode bits.
  if (owner) Deno.chownSync(was.path, was.uid, was.gid);
  if (owner || mode) Deno.chmodSync(was.path, was.mode! & 0o7777);
  if (times) Deno.utimeSync(was.path, atime!, new Date(was.modified!));
  return owner || mode || times;
}
