import { hostname } from "node:os";
import { delay } from "@std/async";
import { definedOnly } from "../../std/defined_only.ts";
import { openLockFile, rewrite, tryLock } from "./files.ts";
import { readTextIfThere } from "./reading.ts";
import { ignoreTrouble } from "./trouble.ts";

/** A held lock. Closing it frees it; so does the end of the process, however it comes. */
export interface Lock extends Disposable {
  readonly path: string;
}

type WaitOptions = [path: string, signal?: AbortSignal, onWait?: (holder: string) => void];

/**
 * Wait for a lock. The lock is the kernel's, on a file that is never removed: removing it would let two processes lock
 * two different files of one name. The text inside is for messages alone.
 * @returns undefined when `signal` fires first
 */
export function acquireLock(...options: WaitOptions): Promise<Lock | undefined> {
  return acquire(true, ...options);
}

/**
 * Wait for a lock that any number may hold at once, unless one holds it alone.
 * @returns undefined when `signal` fires first
 */
export function acquireShared(...options: WaitOptions): Promise<Lock | undefined> {
  return acquire(false, ...options);
}

async function acquire(alone: boolean, ...[path, signal, onWait]: WaitOptions): Promise<Lock | undefined> {
  const file = openLockFile(path);
  let told = false;
  try {
    for (let waitMs = 5; !tryLock(file, path, alone); waitMs = Math.min(waitMs * 2, 250)) {
      if (!told) onWait?.(readHolder(path));
      told = true;
      try {
        await delay(waitMs, definedOnly({ signal }));
      } catch {
        file.close();
        return undefined;
      }
    }
    if (alone) ignoreTrouble(() => rewrite(file, path, `pid ${Deno.pid} on ${hostname()}\n`));
  } catch (error) {
    file.close();
    throw error;
  }
  return { path, [Symbol.dispose]: () => file.close() };
}

function openLock(path: string, take: (file: Deno.FsFile) => boolean): Lock | undefined {
  const file = openLockFile(path);
  try {
    if (take(file)) return { path, [Symbol.dispose]: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}

/** Take a lock alone if nobody holds it now. */
export function tryAlone(path: string): Lock | undefined {
  return openLock(path, (file) => tryLock(file, path));
}

/** Take a lock that is only ever held for moments. Blocks this process until it is free. */
export function lockNow(path: string): Disposable {
  return openLock(path, (file) => {
    if (!tryLock(file, path)) file.lockSync(true);
    return true;
  })!;
}

function readHolder(path: string): string {
  return readTextIfThere(path)?.trim().slice(0, 100) || "another process";
}
