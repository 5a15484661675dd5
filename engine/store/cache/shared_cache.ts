import type { z } from "zod";
import {
  type FileEntry,
  recipePointerSchema,
  type ResultManifest,
  resultManifestSchema,
} from "../../../schemas/records.ts";
import { sha256Of } from "../reading.ts";
import type { Store } from "../store.ts";
import type { CacheBackend, Trouble } from "./backend.ts";
import { CacheClient, type ClientOptions } from "./client.ts";
import { type DownloadNotes, Downloads, PendingUploads, Uploads } from "./transfers.ts";
import { objectName, recipeName, resultName, unseal } from "./layout.ts";
import { type HeldClaim, NO_CLAIM, WorkClaims } from "./work_claims.ts";

export type CacheMode = "read-write" | "read";

/** A request for the result of one stage. */
interface Lookup {
  readonly stage: string;
  readonly recipeKey: string;
  /** Known once all inputs are known; then the recipe adds nothing. */
  readonly resolvedKey: string | undefined;
  /**
   * Checks that a record follows from its key and has the outputs of the stage. The caller passes this in, since the
   * store knows neither keys nor kinds.
   */
  readonly judge: (manifest: ResultManifest, resolvedKey: string) => "damaged" | "misfit" | undefined;
}

/** An answer of "not there" holds this long: another machine may finish the stage while this one waits or works. */
const STALE_MS = 30_000;

const PROBLEMS = {
  damaged: "is damaged",
  foreign: "is not a record of this version of noiseline",
  misfit: "does not have the outputs that the stage has",
};

/**
 * A second store that machines share, beside the local one. Results have the same keys everywhere, since no key holds a
 * fact about a host. A failure of the cache never fails a run.
 */
export class SharedCache {
  readonly #client: CacheClient;
  readonly #downloads: Downloads;
  readonly uploads: Uploads;
  readonly #claims: WorkClaims;
  readonly #note: (message: string) => void;
  #unsent: PendingUploads | undefined;
  /** Results that were found, by resolved key. */
  readonly #found = new Map<string, ResultManifest>();
  /** Resolved keys by recipe. */
  readonly #recipes = new Map<string, string>();
  /** The time of the last request for each key. */
  readonly #asked = new Map<string, number>();
  /**
   * Keys of published results that do not serve, or that were looked up again because they had been published before
   * they could be claimed.
   */
  readonly #looked = new Set<string>();

  constructor(readonly backend: CacheBackend, readonly mode: CacheMode, options: ClientOptions) {
    this.#client = new CacheClient(backend, options);
    this.#note = (message) => options.warn({ severity: "warning", code: "cache", message });
    this.#downloads = new Downloads(this.#client);
    this.#claims = new WorkClaims(this.#client);
    this.uploads = new Uploads(this.#client, this.#downloads.damaged, this.#note);
  }

  /** True if results may still come from the cache. */
  get mayServe(): boolean {
    return this.#client.reads;
  }

  /** A result that {@linkcode find} found. */
  known(resolvedKey: string): ResultManifest | undefined {
    return this.#client.reads ? this.#found.get(resolvedKey) : undefined;
  }

  /** A result that {@linkcode find} found by its recipe. */
  knownByRecipe(recipeKey: string): ResultManifest | undefined {
    return this.known(this.#recipes.get(recipeKey) ?? "");
  }

  /** Asks for the results of stages. @returns true if any new result was found */
  async find(lookups: readonly Lookup[]): Promise<boolean> {
    const before = this.#found.size;
    await Promise.all(lookups.map(async (lookup) => {
      const { stage, recipeKey, resolvedKey } = lookup;
      const key = resolvedKey ?? await this.#follow(stage, recipeKey);
      if (key !== undefined && !this.#found.has(key) && this.#isDue(key)) await this.#ask(lookup, key);
    }));
    return this.#found.size > before;
  }

  /** The resolved key that a recipe led to on the first machine that published it. */
  async #follow(stage: string, recipeKey: string): Promise<string | undefined> {
    if (!this.#isDue(recipeKey)) return this.#recipes.get(recipeKey);
    const pointer = await this.#read(stage, recipeKey, recipeName(recipeKey), recipePointerSchema);
    if (pointer?.recipeKey === recipeKey) this.#recipes.set(recipeKey, pointer.resolvedKey);
    return this.#recipes.get(recipeKey);
  }

  async #ask({ stage, judge }: Lookup, resolvedKey: string): Promise<void> {
    const name = resultName(resolvedKey);
    const manifest = await this.#read(stage, resolvedKey, name, resultManifestSchema);
    const problem = manifest && judge(manifest, resolvedKey);
    if (problem !== undefined) this.#report(stage, resolvedKey, name, problem);
    else if (manifest !== undefined) this.#found.set(resolvedKey, manifest);
  }

  async #read<T extends z.ZodType>(stage: string, key: string, name: string, schema: T) {
    const content = await this.#client.read(name);
    const unsealed = content && unseal(content, schema);
    if (unsealed === undefined || "record" in unsealed) return unsealed?.record;
    this.#report(stage, key, name, unsealed.problem);
    return undefined;
  }

  #isDue(key: string): boolean {
    const now = performance.now();
    if (now - (this.#asked.get(key) ?? -Infinity) < STALE_MS) return false;
    this.#asked.set(key, now);
    return true;
  }

  #report(stage: string, key: string, name: string, problem: keyof typeof PROBLEMS): void {
    this.#asked.set(key, Infinity);
    this.#looked.add(key);
    this.#note(`${stage}: ${name} in the shared cache ${PROBLEMS[problem]}; it counts as absent`);
  }

  /** Reads a small file of a result as text, without keeping it; undefined if it is not there whole. */
  async peek({ sha256 }: Pick<FileEntry, "sha256">): Promise<string | undefined> {
    const content = await this.#client.read(objectName(sha256));
    return content !== undefined && sha256Of(content) === sha256 ? new TextDecoder().decode(content) : undefined;
  }

  /** Brings a result that was found into the store. @returns false if that fails */
  async fetch(manifest: ResultManifest, store: Store, notes: DownloadNotes): Promise<boolean> {
    if (await this.#downloads.fetch(manifest, store, notes)) return true;
    // The result is neither served nor asked for again in this run.
    this.#found.delete(manifest.resolvedKey);
    this.#asked.set(manifest.resolvedKey, Infinity);
    this.#looked.add(manifest.resolvedKey);
    return false;
  }

  /**
   * Claims a key before it is computed, since other machines may compute it, too.
   * @param onWait called with the name of the machine or job that computes the key, before waiting for it
   * @returns undefined if another machine was computing the key or has published its result: look the result up again
   */
  async claim(key: string, stop: AbortSignal, onWait: (holder: string) => void): Promise<HeldClaim | undefined> {
    const claim = await this.#claims.take(key);
    if (claim !== "published" && Symbol.asyncDispose in claim) return claim;
    // A published result that an earlier lookup could not serve is damaged.
    if (claim === "published" && this.#looked.has(key)) return NO_CLAIM;
    if (claim === "published") this.#looked.add(key);
    else {
      onWait(claim.host);
      await this.#claims.wait(key, claim, stop);
    }
    this.#asked.delete(key);
    return undefined;
  }

  /** Sends a result of the store while the run continues. @returns a promise that resolves when sending is over */
  offer(manifest: ResultManifest, recipeKey: string, store: Store): Promise<unknown> | undefined {
    if (this.mode !== "read-write") return undefined;
    const onSettled = this.#owed(store).add({ recipeKey, resolvedKey: manifest.resolvedKey });
    return this.uploads.add({ manifest, recipeKey, objects: store.objects, onSettled });
  }

  /** Lets one more recipe lead to a result that is in the cache. @returns why that failed, or undefined */
  async point(manifest: ResultManifest, recipeKey: string): Promise<Trouble | undefined> {
    if (this.knownByRecipe(recipeKey)?.resolvedKey === manifest.resolvedKey) return undefined;
    void this.uploads.add({ manifest, recipeKey });
    return (await this.uploads.finish()).problem;
  }

  /** Sends results that earlier runs on a store could not send. */
  resumeUploads(store: Store): void {
    if (this.mode !== "read-write") return;
    this.#owed(store).takeOver(({ recipeKey, resolvedKey }) => {
      const manifest = store.results.byResolved(resolvedKey);
      if (manifest !== undefined) this.offer(manifest, recipeKey, store);
    });
  }

  #owed(store: Store): PendingUploads {
    return this.#unsent ??= new PendingUploads(store.root, this.backend.place);
  }
}
