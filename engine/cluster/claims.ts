import { delay } from "@std/async";
import { join } from "node:path";
import { type Claim, claimSchema } from "../../schemas/cluster_records.ts";
import { FolderBackend } from "../store/cache/folder_backend.ts";
import { contentOf } from "../store/cache/layout.ts";
import { removeQuietly } from "../store/files.ts";
import { currentUser } from "../store/processes.ts";
import { isThere } from "../store/reading.ts";
import { readRecord } from "../store/records.ts";
import { openRoot } from "../store/roots.ts";
import type { OwnJob, Queue } from "./queue.ts";

/** How often the cache is looked at before the queue is asked again. */
const LOOKS = 6;
/** The most claims of one key; more than that cannot be claims of jobs. */
const MOST = 1_000;

export interface ClaimOptions {
  /** The folder of the shared cache. */
  readonly cache: string;
  readonly own: OwnJob;
  readonly queue: Pick<Queue, "isQueued">;
  /** Returns true if the cache has a result of the key. */
  readonly isPublished: () => boolean;
  readonly stop: AbortSignal;
  /** Called with the claim of the job that is waited for. */
  readonly onWait: (holder: Claim) => void;
  /** The pause between two looks at the cache, in milliseconds. */
  readonly lookMs: number;
}

/**
 * Claims a resolved key, so that no other job of this user computes it meanwhile. Claims of a key are numbered files,
 * each made by one writer only. If there is a claim whose holder is still in the queue, this waits for the result or
 * for the holder's end.
 *
 * @returns an object that gives the claim up when disposed of; `published` if the result came first; `stopped` if the
 * wait was ended
 */
export async function claimKey(key: string, options: ClaimOptions): Promise<Disposable | "published" | "stopped"> {
  const { cache, own, queue, isPublished, stop, onWait, lookMs } = options;
  openRoot(cache);
  const user = currentUser();
  const backend = new FolderBackend(cache);
  const nameOf = (number: number) => `cluster/claims/${key}.${number}`;
  const pathOf = (number: number) => join(cache, nameOf(number));
  const giveUp = (number: number) => {
    // Another job claimed the key after this one: while its claim exists, the numbers before must have no gap.
    if (isThere(pathOf(number + 1))) return;
    for (let each = number; each >= 0; each--) removeQuietly(pathOf(each));
  };
  let told = false;
  for (let number = 0; number < MOST;) {
    if (!isThere(pathOf(number))) {
      const record: Claim = { user, job: own.id, attempt: own.attempt, at: new Date().toISOString() };
      const content = contentOf(JSON.stringify(record));
      const made = await backend.create(nameOf(number), content, { signal: stop, replace: false });
      // Without a claim a key may be computed twice, which is better than not at all.
      if ("trouble" in made) break;
      if (made.value === "exists") continue;
      // A holder gives its claim up after it has published.
      if (!isPublished()) return { [Symbol.dispose]: () => giveUp(number) };
      giveUp(number);
      return "published";
    }
    const holder = readRecord(pathOf(number), claimSchema);
    // A job does not wait for other users' jobs; an earlier attempt of this same job has ended, or is cut off.
    const counts = holder !== undefined && holder.user === user && holder.job !== own.id;
    if (!counts || await queue.isQueued(holder.job) === false) {
      number++;
      continue;
    }
    if (!told) onWait(holder);
    told = true;
    for (let looks = 0; looks < LOOKS && isThere(pathOf(number)); looks++) {
      await delay(lookMs, { signal: stop }).catch(() => {});
      if (stop.aborted) return "stopped";
      if (isPublished()) return "published";
    }
  }
  return { [Symbol.dispose]: () => {} };
}
