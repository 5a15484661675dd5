import { hostname } from "node:os";
import { join } from "node:path";
import { delay } from "@std/async";
import { definedOnly } from "../../std/defined_only.ts";
import { openLockFile, rewrite } from "./files.ts";
import { readTextIfThere, statIfThere } from "./reading.ts";
import { ignoreIoErrors } from "./io_errors.ts";

interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, with a text that names the holder, if somebody holds the lock for longer than a moment. */
  readonly onWait?: ((holder: string) => void) | undefined;
  /** True for a lock that any number may hold at once, unless somebody holds it exclusively. */
  readonly shared?: boolean;
}

/** The longest time in ms between two tries to get a lock. */
const MOST_WAIT_MS = 250;

/**
 * Waits for a lock. The lock is the kernel's, on a file that is never removed: removing the file would let two
 * processes lock two different files of one name. The lock ends with the process, however the process ends. The text in
 * the file is for messages only.
 * @returns undefined when `signal` fires first
 */
export async function acquireLock(path: string, { signal, onWait, shared = false }: WaitOptions = {}) {
  using held = new DisposableStack();
  const file = held.use(openLockFile(path));
  const self = `pid ${Deno.pid} on ${hostname()}`;
  let reported = false;
  for (let waitMs = 5; !file.tryLockSync(!shared); waitMs = Math.min(waitMs * 2, MOST_WAIT_MS)) {
    // While any thread here starts a program, that has a copy of each open file for a moment, with the file's lock.
    if (!reported && waitMs === MOST_WAIT_MS) {
      reported = true;
      const holder = readTextIfThere(path)?.trim().slice(0, 100);
      onWait?.(holder === self ? "another part of this process" : holder || "another process");
    }
    try {
      await delay(waitMs, definedOnly({ signal }));
    } catch {
      return undefined;
    }
  }
  if (!shared) ignoreIoErrors(() => rewrite(file, path, `${self}\n`));
  return held.move();
}

/** Takes an exclusive lock if nobody holds the lock now. */
export function tryExclusiveLock(path: string): Disposable | undefined {
  using held = new DisposableStack();
  return held.use(openLockFile(path)).tryLockSync(true) ? held.move() : undefined;
}

/**
 * Locks a folder, so that others who may only read it see that this process is there. Where folders cannot be locked,
 * or are on a network, they do not see it.
 */
export function lockFolder(folder: string): Disposable | undefined {
  try {
    using held = new DisposableStack();
    held.use(Deno.openSync(folder)).lockSync(true);
    return held.move();
  } catch {
    return undefined;
  }
}

/** True if somebody holds a folder, or if that cannot be told. */
export function isFolderLocked(folder: string): boolean {
  try {
    using file = Deno.openSync(folder);
    return !file.tryLockSync(false);
  } catch {
    return true;
  }
}

/** Takes a lock that is only ever held for moments. Blocks this process until the lock is free. */
export function lockBlocking(path: string): Disposable {
  using held = new DisposableStack();
  held.use(openLockFile(path)).lockSync(true);
  return held.move();
}

/**
 * Three lock files of the whole store keep `gc` and everything else apart.
 *
 * - *gc lock* (`still.lock`; `acquireSharedGcLock`): held exclusively by `gc` and `verify`; while it is shared, no
 *   result and no object is removed. It is shared for moments: from finding a result to recording that a run uses it,
 *   and from moving files into the store to writing the manifest that names them. Recorded results are safe without the
 *   lock, so `gc` never waits for a training.
 * - *turnstile* (`turn.lock`): everyone passes through it to reach the gc lock. Whoever wants the gc lock exclusively
 *   holds the turnstile while it waits, so that no new shared holder gets in: a busy run, whose shared holds overlap
 *   without a gap, cannot starve `gc`.
 * - *in use* (`markInUse`): shared by every run from its first write to its end. Holding it exclusively proves,
 *   whatever became of process ids, that no run is in progress: only then are files replaced that runs keep open, and
 *   locks removed that runs could wait for.
 */
export class StoreGuards {
  constructor(private readonly folder: string) {}

  #pathOf(lock: "still" | "turn" | "in-use"): string {
    return join(this.folder, `${lock}.lock`);
  }

  /**
   * Keeps everything in the store from being removed until the lock is disposed of. A store that does not exist, or
   * that this process may not write, has nothing to lose.
   * @param onWait called once if another process holds the store exclusively
   * @returns undefined when `signal` fires first
   */
  async acquireSharedGcLock(signal?: AbortSignal, onWait?: (holder: string) => void): Promise<Disposable | undefined> {
    if (statIfThere(this.folder) === undefined) return UNGUARDED;
    const options = { signal, onWait, shared: true };
    try {
      using turn = await acquireLock(this.#pathOf("turn"), options);
      return turn && await acquireLock(this.#pathOf("still"), options);
    } catch (error) {
      const readOnly = error instanceof Deno.errors.PermissionDenied || (error as { code?: string }).code === "EROFS";
      if (readOnly) return UNGUARDED;
      throw error;
    }
  }

  /**
   * Takes the lock *in use*, shared, until it is disposed of; waits while somebody has it exclusively.
   * @returns undefined when `signal` fires first
   */
  async markInUse(signal?: AbortSignal, onWait?: (holder: string) => void): Promise<Disposable | undefined> {
    return await acquireLock(this.#pathOf("in-use"), { signal, onWait, shared: true });
  }

  /** Keeps everybody from starting to rely on results or objects while this process removes some. */
  async acquireExclusiveGcLock(onWait?: () => void): Promise<Disposable> {
    using locks = new DisposableStack();
    for (const lock of ["turn", "still"] as const) locks.use(await acquireLock(this.#pathOf(lock), { onWait }));
    return locks.move();
  }

  /** Succeeds only while no run is in progress; none starts until the lock is disposed of. */
  tryExclusiveUse(): Disposable | undefined {
    return tryExclusiveLock(this.#pathOf("in-use"));
  }
}

const UNGUARDED: Disposable = { [Symbol.dispose]: () => {} };
