import { join } from "node:path";
import { statIfThere } from "./reading.ts";
import { acquireLock, acquireShared, type Lock, tryAlone } from "./locks.ts";

/**
 * Two locks of the whole store keep `gc` and everything else apart.
 *
 * - *still*: while it is shared, no result and no object goes away. Held for moments: from finding a result to having
 *   noted that a run uses it, and from moving files into the store to the manifest that names them. What is noted is
 *   safe without the lock, so `gc` never waits for a training.
 *   Whoever wants the store to itself takes *turn* first, which everybody passes through: holds that overlap without a
 *   gap, as those of a busy run, let it in all the same.
 * - *in use*: shared by every run from its first write to its end. Held alone it proves, whatever became of process
 *   ids, that no run is on: only then are files replaced that runs keep open, and locks removed that runs could wait for.
 */
export class StoreGuards {
  readonly #still: string;
  readonly #turn: string;
  readonly #inUse: string;

  constructor(private readonly folder: string) {
    this.#still = join(folder, "still.lock");
    this.#turn = join(folder, "turn.lock");
    this.#inUse = join(folder, "in-use.lock");
  }

  /**
   * Nothing is removed until this is disposed of. A store that does not exist, or that this process may not write, has
   * nothing to lose.
   * @param onWait called once if another process has the store to itself
   * @returns undefined when `signal` fires first
   */
  async holdStill(signal?: AbortSignal, onWait?: (holder: string) => void): Promise<Disposable | undefined> {
    if (statIfThere(this.folder) === undefined) return UNGUARDED;
    try {
      using turn = await acquireShared(this.#turn, signal, onWait);
      return turn && await acquireShared(this.#still, signal, onWait);
    } catch (error) {
      if (isReadOnly(error)) return UNGUARDED;
      throw error;
    }
  }

  /** Mark the store as in use until this is disposed of. */
  async markInUse(signal?: AbortSignal, onWait?: (holder: string) => void): Promise<Disposable | undefined> {
    return await acquireShared(this.#inUse, signal, onWait);
  }

  /** Keep everybody from relying on what may be removed now. */
  async stopReliance(onWait?: () => void): Promise<Disposable> {
    const locks = new DisposableStack();
    try {
      for (const path of [this.#turn, this.#still]) locks.use(await acquireLock(path, undefined, onWait));
      return locks;
    } catch (error) {
      locks.dispose();
      throw error;
    }
  }

  /** Succeeds only while no run is on; none starts until it is disposed of. */
  tryUnused(): Lock | undefined {
    return tryAlone(this.#inUse);
  }
}

const UNGUARDED: Disposable = { [Symbol.dispose]: () => {} };

function isReadOnly(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || (error as { code?: string } | null)?.code === "EROFS";
}
