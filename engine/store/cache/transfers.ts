import { join } from "node:path";
import {
  type FileEntry,
  type RecipePointer,
  recipePointerSchema,
  type ResultManifest,
  resultManifestSchema,
} from "../../../schemas/records.ts";
import { Semaphore } from "../../../std/semaphore.ts";
import type { ObjectStore } from "../objects.ts";
import { filesOf } from "../results.ts";
import { type Answer, type Content, type Trouble, trouble } from "./backend.ts";
import type { CacheClient } from "./client.ts";
import { contentOf, objectName, recipeName, resultName, seal, unseal } from "./layout.ts";
import { makeFolder, removeQuietly, writeAll, writeUnflushed } from "../files.ts";
import { entriesOf, sha256Of } from "../reading.ts";
import { ignoreIoErrors } from "../io_errors.ts";
import { isAbandoned, newRunId } from "../run_ids.ts";
import { createHash } from "node:crypto";
import type { Store } from "../store.ts";

const RESULTS_AT_ONCE = 4;
const PAUSE_MS = 60_000;
/** Asking whether an object is there costs as much as sending a small file outright. */
const ASK_FIRST_BYTES = 64 << 10;

interface Upload {
  readonly manifest: ResultManifest;
  readonly recipeKey: string;
  /** Absent for a result that is there, so that only the recipe is sent. */
  readonly objects?: ObjectStore;
  /** Called once nothing of the result is left to send. */
  readonly onSettled?: () => void;
}

/**
 * Sends results to a shared cache while the run continues: objects first, then the manifest that makes the result
 * exist, then the recipe that leads to the result. Whoever reads at any moment finds a whole result or none.
 */
export class Uploads {
  readonly #limit = new Semaphore(RESULTS_AT_ONCE);
  readonly #ends: Promise<Trouble | undefined>[] = [];
  /** The number of results that are still to be sent. */
  waiting = 0;
  #warned = false;
  #prepared: Promise<Answer<string | undefined>> | undefined;
  /** Until when sending is paused, and why. */
  #pause: { readonly until: number; readonly problem: Trouble } | undefined;

  /** @param damaged digests of objects that downloads found to be damaged; these are replaced */
  constructor(
    private readonly client: CacheClient,
    private readonly damaged: ReadonlySet<string>,
    private readonly warn: (message: string) => void,
  ) {}

  /**
   * Sends a result of the store; {@linkcode finish} waits for it.
   * @returns a promise that resolves when sending is over
   */
  add(upload: Upload): Promise<unknown> {
    this.waiting++;
    const end = this.#limit.run(() => this.#upload(upload));
    this.#ends.push(end);
    return end;
  }

  /**
   * Waits until everything is sent or given up. A request to stop ends the wait at once.
   * @returns how many results were sent and how many were not, and why the first was not
   */
  async finish() {
    const problems = (await Promise.all(this.#ends)).filter((end) => end !== undefined);
    const [problem] = problems;
    if (problem !== undefined) {
      const results = problems.length === 1 ? "1 result was" : `${problems.length} results were`;
      const later = problems.some(isRetryable) ? "; a later run will try again" : "";
      this.client.warn(`${results} not sent: ${problem.message}${later}`, problem.fix);
    }
    return { sent: this.#ends.length - problems.length, failed: problems.length, problem };
  }

  async #upload(upload: Upload): Promise<Trouble | undefined> {
    const problem = this.#pausedBy() ?? await this.#send(upload);
    this.waiting--;
    if (problem === undefined || !isRetryable(problem)) upload.onSettled?.();
    // The cache would answer the next result the same way, after the same wait. In a minute the answer may be another.
    else if (this.#pausedBy() === undefined) this.#pause = { until: performance.now() + PAUSE_MS, problem };
    return problem;
  }

  #pausedBy(): Trouble | undefined {
    return this.#pause !== undefined && performance.now() < this.#pause.until ? this.#pause.problem : undefined;
  }

  async #send({ manifest, recipeKey, objects }: Upload): Promise<Trouble | undefined> {
    this.#prepared ??= this.client.prepare();
    const prepared = await this.#prepared;
    if ("trouble" in prepared) {
      this.#prepared = undefined;
      return prepared.trouble;
    }
    if (prepared.value !== undefined && !this.#warned) this.warn(`the shared cache: ${prepared.value}`);
    this.#warned = true;
    const problem = objects && await this.#sendResult(manifest, objects);
    if (problem !== undefined) return problem;
    const pointer = { recipeKey, resolvedKey: manifest.resolvedKey };
    const isBad = (content: Uint8Array) => "problem" in unseal(content, recipePointerSchema);
    return await this.#sendRecord(recipeName(recipeKey), pointer, isBad);
  }

  async #sendResult(manifest: ResultManifest, objects: ObjectStore): Promise<Trouble | undefined> {
    const files = new Map(filesOf(manifest).map((one) => [one.sha256, one]));
    const problems = await Promise.all(Array.from(files.values(), (file) => this.#sendFile(file, objects)));
    return problems.find((one) => one !== undefined) ?? await this.#sendManifest(manifest);
  }

  async #sendFile(file: FileEntry, objects: ObjectStore): Promise<Trouble | undefined> {
    const { sha256, size, path } = file;
    if (size > this.client.backend.maxBytes) {
      return trouble("unfit", `${path} is larger than the service takes at once`).trouble;
    }
    if (!objects.verify(file)) return trouble("unfit", `${path} is damaged in the local store`).trouble;
    return await this.#sendObject({ sha256, size, from: { file: objects.pathOf(sha256) } });
  }

  async #sendObject(content: Content): Promise<Trouble | undefined> {
    const name = objectName(content.sha256);
    const damaged = this.damaged.has(content.sha256);
    if (!damaged && content.size > ASK_FIRST_BYTES) {
      const size = await this.client.size(name);
      if ("trouble" in size && size.trouble.kind !== "denied") return size.trouble;
      if ("value" in size && size.value === content.size) return undefined;
    }
    return await this.#store(name, content, damaged, async () => {
      const size = await this.client.size(name);
      // A user who may write but not read has to believe that the stored object is whole.
      if ("trouble" in size) return size.trouble.kind === "denied" || size.trouble;
      return size.value === content.size;
    });
  }

  /** Stores a file. @param mayStay called if one of its name is there: true if that one stays, or what went wrong */
  async #store(name: string, content: Content, replace: boolean, mayStay: () => Promise<boolean | Trouble>) {
    const first = await this.client.create(name, content, replace);
    if ("trouble" in first) return first.trouble;
    const stays = first.value === "created" || await mayStay();
    if (stays !== false) return stays === true ? undefined : stays;
    const again = await this.client.create(name, content, true);
    return "trouble" in again ? again.trouble : undefined;
  }

  /** Sends a manifest. The first result of a key stays, unless nobody can read it. */
  async #sendManifest(manifest: ResultManifest): Promise<Trouble | undefined> {
    return await this.#sendRecord(resultName(manifest.resolvedKey), manifest, (content) => {
      const there = unseal(content, resultManifestSchema);
      if ("problem" in there) return there.problem === "damaged";
      const theirs = there.record.outputs;
      const ports = Object.keys({ ...theirs, ...manifest.outputs });
      // The stored record has other outputs than the stage, so nobody takes it for a result.
      if (ports.some((port) => theirs[port]?.type !== manifest.outputs[port]?.type)) return true;
      const port = Object.keys(theirs).find((one) => theirs[one]!.digest !== manifest.outputs[one]?.digest);
      if (port !== undefined) {
        const [first, second] = [theirs, manifest.outputs].map((outputs) => outputs[port]?.digest.slice(0, 12));
        this.warn(
          `the shared cache holds another result of the key ${manifest.resolvedKey.slice(0, 12)} ` +
            `(${port} ${first}, here ${second}); it stays there, and this one here`,
        );
      }
      return false;
    });
  }

  /** @param isBad true if the stored record may be replaced */
  async #sendRecord(name: string, record: unknown, isBad: (content: Uint8Array) => boolean) {
    return await this.#store(name, contentOf(seal(record)), false, async () => {
      const there = await this.client.read(name);
      return there === undefined || !isBad(there);
    });
  }
}

/** A file that is too large never fits; a file that is damaged here is sent when it is made again. */
const isRetryable = ({ kind }: Trouble) => kind !== "unfit";

/**
 * Results that a store still has to send to a shared cache: they were made while the cache was unreachable, or in a run
 * that was stopped or killed. Each is an empty file named after the process that is to send it; a later process takes
 * the file over when that one has ended. Losing the file costs another machine the work, and sending a result twice
 * costs a question.
 */
export class PendingUploads {
  readonly #folder: string;
  readonly #sender = newRunId(new Date(), Deno.pid);

  constructor(storeRoot: string, place: string) {
    this.#folder = join(storeRoot, "cache", "unsent", sha256Of(place));
  }

  /** Records a result before it is sent. @returns a function that removes the record */
  add({ recipeKey, resolvedKey }: RecipePointer): () => void {
    const path = join(this.#folder, `${this.#sender}-${recipeKey}-${resolvedKey}`);
    ignoreIoErrors(() => {
      makeFolder(this.#folder);
      writeUnflushed(path, "");
    });
    return () => removeQuietly(path);
  }

  /** Takes over results that ended processes have not sent. The caller records them again as its own. */
  takeOver(enter: (pointer: RecipePointer) => void): void {
    ignoreIoErrors(() => {
      for (const { name } of entriesOf(this.#folder)) {
        const [, recipeKey, resolvedKey] = /-([0-9a-f]{64})-([0-9a-f]{64})$/.exec(name) ?? [];
        if (resolvedKey === undefined || !isAbandoned("run", name)) continue;
        enter({ recipeKey: recipeKey!, resolvedKey });
        removeQuietly(join(this.#folder, name));
      }
    });
  }
}

const PROGRESS_INTERVAL_MS = 5_000;
/** Smaller downloads are not announced. */
const LARGE_BYTES = 16 << 20;

export type DownloadNotes = Readonly<Record<"note" | "warn", (message: string) => void>>;

/** Brings results from a shared cache into the local store. Files that do not match their digest are refused. */
export class Downloads {
  /** Digests of objects that were found to be damaged; whoever has good ones may replace them. */
  readonly damaged: Set<string> = new Set();
  /** Limits open files: each download holds one. */
  readonly #limit = new Semaphore(16);
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
