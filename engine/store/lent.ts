/**
 * What foreign code may read, it may not change: Deno refuses to write. But Deno lets it set mode, owner and times of a
 * file through a descriptor that is open for reading (`fchmod`, `fchown` and `futimes` of node:fs). So it gets copies,
 * and what is too large to be copied is put right behind it.
 */
import { join } from "node:path";
import { z } from "zod";
import { writeNew } from "./files.ts";
import { readRecords } from "./records.ts";

/** Up to this size foreign code gets a copy; it costs some hundredths of a second where blocks cannot be shared. */
const COPIED_BYTES = 64 << 20;

/** Whether files are lent as they are, and not copied, to code that is not trusted. */
export function isLentWhole(files: readonly { readonly size: number }[]): boolean {
  return files.reduce((sum, { size }) => sum + size, 0) > COPIED_BYTES;
}

const RECORD = "lent.jsonl";

/** How a file or folder was when it was lent. The birth time makes sure that it is the same one. */
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
 * Note how files are, and folders with all that is in them, in the folder of the run of the stage that gets them, which
 * it may not see.
 */
export function lend(folder: string, paths: readonly string[]): void {
  const found = new Set<string>();
  for (const path of paths) collect(path, found);
  if (found.size === 0) return;
  const lines = Array.from(found, (path) => `${JSON.stringify(recordOf(path))}\n`);
  writeNew(join(folder, RECORD), lines.join(""));
}

/** Put everything right that was lent; also for a run that was killed. @returns what had been changed */
export function takeBack(folder: string): string[] {
  // Its own process wrote it, where no stage could.
  return readRecords(join(folder, RECORD), z.custom<ReturnType<typeof recordOf>>()).filter((was) => {
    try {
      const now = recordOf(was.path);
      if (now.dev !== was.dev || now.ino !== was.ino || now.born !== was.born) return false;
      return putRight(was, now);
    } catch {
      // It is gone, or another's: then it could not be changed.
      return false;
    }
  }).map(({ path }) => path);
}

function putRight(was: ReturnType<typeof recordOf>, now: ReturnType<typeof recordOf>): boolean {
  const { mtime, ctime, atime } = Deno.statSync(was.path);
  const owner = now.uid !== was.uid || now.gid !== was.gid;
  const mode = now.mode !== was.mode;
  // Whoever writes to a file sets both times to the same; that its owner did is nothing to put right.
  const times = now.modified !== was.modified && mtime?.getTime() !== ctime?.getTime();
  // A change of owner takes away some modes.
  if (owner) Deno.chownSync(was.path, was.uid, was.gid);
  if (owner || mode) Deno.chmodSync(was.path, was.mode! & 0o7777);
  if (times) Deno.utimeSync(was.path, atime!, new Date(was.modified!));
  return owner || mode || times;
}
