import { join, relative } from "node:path";
import { sha256Of } from "../../../../engine/store/reading.ts";
import type { CacheBackend } from "../../../../engine/store/cache/backend.ts";
import type { Patience } from "../../../../engine/store/cache/client.ts";
import { FolderBackend } from "../../../../engine/store/cache/folder_backend.ts";
import { type CacheMode, SharedCache } from "../../../../engine/store/cache/shared_cache.ts";
import type { RunOptions } from "../../../../engine/run/run_options.ts";
import { planIn, planned, runIn } from "./reach.ts";
import { filesBelow, makeTempFolder } from "./temp.ts";

interface LabOptions {
  readonly mode?: CacheMode;
  readonly stop?: AbortSignal;
  readonly patience?: Partial<Patience>;
}

/** Several machines, each a folder with its own store, and one cache that they share. */
export class Lab implements AsyncDisposable {
  readonly #folder: Awaited<ReturnType<typeof makeTempFolder>>;
  /** Warnings of the last run or plan. */
  warnings: string[] = [];
  backend: CacheBackend;

  static async open(): Promise<Lab> {
    return new Lab(await makeTempFolder());
  }

  private constructor(folder: Awaited<ReturnType<typeof makeTempFolder>>) {
    this.#folder = folder;
    this.backend = new FolderBackend(this.cacheFolder);
  }

  get cacheFolder(): string {
    return join(this.#folder.path, "cache");
  }

  /**
   * Returns a function that reads the cache's present files from memory, so that no limit of time runs out while the
   * disk or other threads are busy.
   */
  readFromMemory(): CacheBackend["open"] {
    const entries = filesBelow(this.cacheFolder).map((path) =>
      [relative(this.cacheFolder, path), Deno.readFileSync(path)] as const
    );
    const files = new Map(entries);
    return (name) => Promise.resolve({ value: files.has(name) ? new Blob([files.get(name)!]).stream() : undefined });
  }

  machine(name: string): string {
    const folder = join(this.#folder.path, name);
    Deno.mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Opens the cache as a new process would. */
  cache({ mode = "read-write", stop = new AbortController().signal, patience = {} }: LabOptions = {}): SharedCache {
    this.warnings = [];
    return new SharedCache(this.backend, mode, {
      name: "the cache",
      stop,
      patience: { backOffMs: 1, ...patience },
      warn: ({ message }) => this.warnings.push(message),
    });
  }

  /** Plans, and formats the plan: `a: restore (new+shared)` */
  async plan(machine: string, yaml: string, options: LabOptions = {}): Promise<string> {
    return planned(await planIn(this.machine(machine), yaml, { cache: this.cache(options) }));
  }

  async run(machine: string, yaml: string, options: LabOptions & RunOptions & { set?: string[] } = {}) {
    const ran = await runIn(this.machine(machine), yaml, { ...options, cache: this.cache(options) });
    const notes = ran.events.flatMap((event) => event.type === "stage-note" ? [event.message] : []);
    return { ...ran, notes };
  }

  /** Makes a machine's unsent results look as if the process that left them had ended. */
  async endSender(machine: string): Promise<void> {
    const folder = this.unsentFolder(machine);
    const gone = new Deno.Command("true").spawn();
    await gone.status;
    const sender = `20260101T000000000-${gone.pid.toString(36)}`;
    for (const { name } of [...Deno.readDirSync(folder)]) {
      Deno.renameSync(join(folder, name), join(folder, name.replace(/^\w+-\w+/, sender)));
    }
  }

  unsentFolder(machine: string): string {
    return join(this.machine(machine), ".noiseline", "cache", "unsent", sha256Of(this.backend.place));
  }

  /** Returns the names of the cache's contents, below `v1/`. */
  files(kind: "objects" | "results" | "recipes"): string[] {
    const root = join(this.cacheFolder, "v1", kind);
    const found: string[] = [];
    try {
      for (const shard of Deno.readDirSync(root)) {
        for (const { name } of Deno.readDirSync(join(root, shard.name))) found.push(join(root, shard.name, name));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return found.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
