import { createHash } from "node:crypto";
import { join } from "node:path";
import type { FileEntry, ResultManifest } from "../../../schemas/records.ts";
import { makeFolder, removeQuietly, writeAll } from "../files.ts";
import { filesOf } from "../results.ts";
import type { Store } from "../store.ts";
import type { CacheClient } from "./client.ts";
import { objectName } from "./layout.ts";
import { Limit } from "../limit.ts";
import { newRunId } from "../processes.ts";

const PROGRESS_INTERVAL_MS = 5_000;
/** Smaller downloads are not announced. */
const LARGE_BYTES = 16 << 20;

export type DownloadNotes = Readonly<Record<"note" | "warn", (message: string) => void>>;

/** Brings results from a shared cache into the local store. Files that do not match their digest are refused. */
export class Downloads {
  /** Digests of objects that were found to be damaged; whoever has good ones may replace them. */
  readonly damaged: Set<string> = new Set();
  /** Limits open files: each download holds one. */
  readonly #limit = new Limit(16);
  #count = 0;

  constructor(private readonly client: CacheClient) {}

  /**
   * Fetches all objects of a result that the store lacks, and publishes the result in the store.
   * @returns false if something was missing or damaged, or the user wants to stop. Throws if the store cannot be
   * written.
   */
  async fetch(manifest: ResultManifest, store: Store, { note, warn }: DownloadNotes): Promise<boolean> {
    const files = filesOf(manifest);
    const wanted = new Map(files.filter((file) => !store.objects.verify(file)).map((file) => [file.sha256, file]));
    const count = countProgress([...wanted.values()].reduce((sum, { size }) => sum + size, 0), note);
    // Named like a run's own folders, so that a later run sweeps it away if this process is killed.
    const folder = join(store.paths.tmp, `${newRunId(new Date(), Deno.pid)}-shared-${this.#count++}`);
    let whole = true;
    const fetchOne = async (file: FileEntry) => {
      if (!whole) return;
      const state = await this.#download(file, join(folder, file.sha256), count);
      if (state === "good") return;
      whole = false;
      if (state === "missing" && !this.client.reads) return;
      this.damaged.add(file.sha256);
      warn(`${file.path} is ${state} in the shared cache (${file.sha256.slice(0, 12)})`);
    };
    try {
      makeFolder(folder);
      await this.#limit.map(wanted.values(), fetchOne);
      if (!whole || this.client.options.stop.aborted) return false;
      const takeOne = ({ sha256, size }: FileEntry) => store.objects.take(join(folder, sha256), size);
      await this.#limit.map(wanted.values(), takeOne);
      if (!files.every((file) => store.objects.has(file))) return false;
      await store.objects.flushNames(files.filter(({ sha256 }) => !wanted.has(sha256)));
      await store.results.publish(manifest);
      return true;
    } finally {
      removeQuietly(folder);
    }
  }

  async #download({ sha256, size: wanted }: FileEntry, path: string, count: (bytes: number) => void) {
    let digest = createHash("sha256");
    let size = 0;
    using target = Deno.openSync(path, { write: true, createNew: true });
    const read = await this.client.stream(objectName(sha256), () => {
      target.truncateSync(0);
      target.seekSync(0, Deno.SeekMode.Start);
      count(-Math.min(size, wanted));
      size = 0;
      digest = createHash("sha256");
      return (chunk) => {
        size += chunk.length;
        // Whatever follows, this is not the wanted object, and it may be endless.
        if (size > wanted) return false;
        digest.update(chunk);
        writeAll(target, chunk, path);
        count(chunk.length);
        return true;
      };
    });
    if (!read) return "missing";
    return size === wanted && digest.digest("hex") === sha256 ? "good" : "damaged";
  }
}

/** Reports now and then how far a large download is. */
function countProgress(total: number, note: (message: string) => void): (bytes: number) => void {
  if (total < LARGE_BYTES) return () => {};
  note(`fetching ${megabytes(total)} MB from the shared cache`);
  let done = 0;
  let toldAt = performance.now();
  return (bytes) => {
    done += bytes;
    if (performance.now() - toldAt < PROGRESS_INTERVAL_MS) return;
    toldAt = performance.now();
    note(`fetched ${megabytes(done)} of ${megabytes(total)} MB from the shared cache`);
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
