import { delay } from "@std/async";
import { join } from "node:path";
import { type Claim, claimSchema } from "../../schemas/cluster_records.ts";
import { FolderBackend } from "../store/cache/folder_backend.ts";
import { removeQuietly } from "../store/files.ts";
import { currentUser } from "../store/processes.ts";
import { isThere, sha256Of } from "../store/reading.ts";
import { readRecord } from "../store/records.ts";
import { openRoot } from "../store/roots.ts";
import type { OwnJob, Queue } from "./queue.ts";

/** So often the cache is looked at before the queue is asked again. */
const LOOKS = 6;
/** More of one key are no claims of jobs. */
const MOST = 1_000;

export interface ClaimOptions {
  /** The shared folder. */
  readonly cache: string;
  readonly own: OwnJob;
  readonly queue: Pick<Queue, "isQueued">;
  /** Whether the cache has a result of the key. */
  readonly isPublished: () => boolean;
  readonly stop: AbortSignal;
  /** Told whom it waits for. */
  readonly onWait: (holder: Claim) => void;
  /** How often the cache is looked at. */
  readonly lookMs: number;
}

/**
 * Claim a resolved key, so that no other job of this user computes it meanwhile. Claims of a key are numbered files, each
 * made by one writer only. Where a claim stands whose holder is still in the queue, wait for the result or for its end.
 *
 * @returns what gives the claim up again; `published` where the result came first, `stopped` where the wait was ended
 */
export async function claimKey(key: string, options: ClaimOptions): Promise<Disposable | "published" | "stopped"> {
  const { cache, own, queue, isPublished, stop, onWait, lookMs } = options;
  openRoot(cache);
  const user = currentUser();
  const backend = new FolderBackend(cache);
  const nameOf = (number: number) => `cluster/claims/${key}.${number}`;
  const pathOf = (number: number) => join(cache, nameOf(number));
  const giveUp = (number: number) => {
    // Another went on from this one's end: as long as its claim stands, the numbers before must have no gap.
    if (isThere(pathOf(number + 1))) return;
    for (let each = number; each >= 0; each--) removeQuietly(pathOf(each));
  };
  let told = false;
  for (let number = 0; number < MOST;) {
    if (!isThere(pathOf(number))) {
      const record: Claim = { user, job: own.id, attempt: own.attempt, at: new Date().toISOString() };
      const bytes = new TextEncoder().encode(JSON.stringify(record));
      const content = { sha256: sha256Of(bytes), size: bytes.length, from: { bytes } };
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
    // Another user's jobs are not this user's to wait for; an earlier attempt of this job has ended, or is cut off.
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
