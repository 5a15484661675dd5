import type { Diagnostic } from "../../diagnostic/diagnostic.ts";
import type { ResultManifest } from "../../../schemas/records.ts";
import type { Store } from "../store.ts";
import type { CacheBackend } from "./backend.ts";
import { CacheClient, type ClientOptions } from "./client.ts";
import { type DownloadNotes, Downloads } from "./downloads.ts";
import { type Lookup, Lookups } from "./lookups.ts";
import { Unsent, Uploads, type UploadSummary } from "./uploads.ts";

export type CacheMode = "read-write" | "read";

/**
 * A second store that machines share, beside the local one. Results have the same keys everywhere, since no key holds a
 * fact about a host. Nothing that goes wrong with it fails a run.
 */
export class SharedCache {
  readonly #client: CacheClient;
  readonly #lookups: Lookups;
  readonly #downloads: Downloads;
  readonly #uploads: Uploads;
  #unsent: Unsent | undefined;

  constructor(private readonly backend: CacheBackend, readonly mode: CacheMode, options: ClientOptions) {
    this.#client = new CacheClient(backend, options);
    const note = (message: string) => options.warn(asWarning(message));
    this.#lookups = new Lookups(this.#client, (stage, message) => note(`${stage}: ${message}`));
    this.#downloads = new Downloads(this.#client);
    this.#uploads = new Uploads(this.#client, this.#downloads.damaged, note);
  }

  /** Whether results may still come from it. */
  get mayServe(): boolean {
    return this.#client.reads;
  }

  /** A result that {@linkcode find} found. */
  known(resolvedKey: string): ResultManifest | undefined {
    return this.#client.reads ? this.#lookups.known(resolvedKey) : undefined;
  }

  /** A result that {@linkcode find} found by its recipe. */
  knownByRecipe(recipeKey: string): ResultManifest | undefined {
    return this.#client.reads ? this.#lookups.knownByRecipe(recipeKey) : undefined;
  }

  /** Ask for the results of stages. @returns whether any was found that was not known */
  async find(lookups: readonly Lookup[]): Promise<boolean> {
    return await this.#lookups.find(lookups);
  }

  /** Bring a result that was found into the store. @returns false where that cannot be done */
  async fetch(manifest: ResultManifest, store: Store, notes: DownloadNotes): Promise<boolean> {
    const whole = await this.#downloads.fetch(manifest, store, notes);
    if (!whole) this.#lookups.forget(manifest.resolvedKey);
    return whole;
  }

  /** Send a result of the store, while the run goes on. */
  offer(manifest: ResultManifest, recipeKey: string, store: Store): void {
    if (this.mode !== "read-write") return;
    this.#owed(store).add(recipeKey, manifest.resolvedKey);
    this.#uploads.add({ manifest, recipeKey, objects: store.objects });
  }

  /** Send what earlier runs on a store could not. */
  catchUp(store: Store): void {
    if (this.mode !== "read-write") return;
    this.#owed(store).takeOver(({ recipeKey, resolvedKey }) => {
      const manifest = store.results.byResolved(resolvedKey);
      if (manifest !== undefined) this.offer(manifest, recipeKey, store);
    });
  }

  /** Results that are still to be sent. */
  get waiting(): number {
    return this.#uploads.waiting;
  }

  /** Wait until all that was offered is sent or given up. */
  async finish(): Promise<UploadSummary> {
    const summary = await this.#uploads.finish();
    this.#unsent?.settle(summary.owed);
    return summary;
  }

  #owed(store: Store): Unsent {
    return this.#unsent ??= new Unsent(store.root, this.backend.place);
  }
}

function asWarning(message: string): Diagnostic {
  return { severity: "warning", code: "cache", message };
}
