import { join } from "node:path";
import { indexLineSchema, type ResultManifest, resultManifestSchema } from "../../schemas/records.ts";
import {
  appendLine,
  FolderMaker,
  ignoreTrouble,
  readJsonLines,
  removeTree,
  statIfThere,
  writeAtomically,
} from "./files.ts";
import { readRecord } from "./read_record.ts";

/**
 * Finished results by resolved key. The manifest file makes a result exist. The index, one line per result or per
 * further recipe that led to it, only saves opening thousands of manifests; it is rebuilt from them when it is gone.
 */
export class ResultStore {
  readonly #root: string;
  readonly #indexPath: string;
  readonly #folders = new FolderMaker();
  #index: {
    byRecipe: Map<string, ResultManifest>;
    byResolved: Map<string, ResultManifest>;
    byIdentity: Map<string, ResultManifest[]>;
    locals: Set<string>;
    /** Keys whose manifests were there when the index was read: listing folders beats asking for thousands of files. */
    listed: Set<string>;
  } | undefined;

  constructor(root: string, indexPath: string) {
    this.#root = root;
    this.#indexPath = indexPath;
  }

  manifestPath(resolvedKey: string): string {
    return join(this.#root, resolvedKey.slice(0, 2), `${resolvedKey}.json`);
  }

  /** The result of a resolved key, also if another process published it after this one started. */
  byResolved(resolvedKey: string): ResultManifest | undefined {
    const { byResolved, listed } = this.#load();
    const known = byResolved.get(resolvedKey);
    if (known !== undefined && listed.has(resolvedKey)) return known;
    if (statIfThere(this.manifestPath(resolvedKey)) === undefined) return undefined;
    return known ?? this.#read(resolvedKey);
  }

  /** The result that a recipe led to before. */
  byRecipe(recipeKey: string): ResultManifest | undefined {
    const known = this.#load().byRecipe.get(recipeKey);
    return known === undefined ? undefined : this.byResolved(known.resolvedKey);
  }

  /** Results that gave an artifact, oldest first. Looks through all of them: for explanations alone. */
  producing(digest: string): readonly ResultManifest[] {
    return [...this.#load().byResolved.values()].filter(({ outputs }) =>
      Object.values(outputs).some((artifact) => artifact.digest === digest)
    ).sort((a, b) => a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0);
  }

  /** Results that share everything but the extent, such as the same training at fewer steps. */
  byIdentity(identityKey: string): readonly ResultManifest[] {
    return this.#load().byIdentity.get(identityKey) ?? [];
  }

  /** Whether any result has these code, params, seed and externals, with whatever inputs. */
  hasLocal(localKey: string): boolean {
    return this.#load().locals.has(localKey);
  }

  /** Publish a result. Its objects must be durable already. The first result of a key stays. */
  publish(manifest: ResultManifest): void {
    const path = this.manifestPath(manifest.resolvedKey);
    this.#folders.ensure(join(this.#root, manifest.resolvedKey.slice(0, 2)));
    writeAtomically(path, `${JSON.stringify(resultManifestSchema.parse(manifest))}\n`);
    this.addRecipe(manifest.recipeKey, manifest);
  }

  /** Take a result away. Its objects go later, if nothing else names them. */
  remove(resolvedKey: string): void {
    removeTree(this.manifestPath(resolvedKey));
    this.forget();
  }

  /** Look at the disk again: another process may have added or removed results. */
  forget(): void {
    this.#index = undefined;
  }

  /** Resolved keys of all manifests that are there, in no order; a manifest may still turn out to be broken. */
  keys(): string[] {
    return [...this.#list()];
  }

  /** The manifest itself, not what the index says of it. */
  readManifest(resolvedKey: string): ResultManifest | undefined {
    return this.#read(resolvedKey);
  }

  /** Remember that a recipe leads to a result, so that the next plan need not wait for its inputs. */
  addRecipe(recipeKey: string, manifest: ResultManifest): void {
    const index = this.#load();
    const known = index.byRecipe.get(recipeKey);
    this.#enter(recipeKey, manifest);
    if (known !== undefined && sameOutputs(known, manifest)) return;
    // The index is a hint; a full disk must not turn a published result into a failure.
    ignoreTrouble(() => appendLine(this.#indexPath, JSON.stringify({ recipeKey, manifest })));
  }

  #load() {
    if (this.#index !== undefined) return this.#index;
    this.#index = {
      byRecipe: new Map(),
      byResolved: new Map(),
      byIdentity: new Map(),
      locals: new Set(),
      listed: new Set(),
    };
    for (const key of this.#list()) this.#index.listed.add(key);
    if (statIfThere(this.#indexPath) === undefined) this.#rebuild(this.#index.listed);
    for (const line of readJsonLines(this.#indexPath)) {
      const parsed = indexLineSchema.safeParse(line);
      if (parsed.success) this.#enter(parsed.data.recipeKey, parsed.data.manifest);
    }
    // A crash can fall between a manifest and its line.
    for (const key of this.#index.listed) {
      const manifest = this.#index.byResolved.has(key) ? undefined : this.#read(key);
      if (manifest !== undefined) this.#enter(manifest.recipeKey, manifest);
    }
    return this.#index;
  }

  #enter(recipeKey: string, manifest: ResultManifest): void {
    const index = this.#index!;
    index.byRecipe.set(recipeKey, manifest);
    index.locals.add(manifest.localKey);
    // The last line wins: a result that was replaced is entered again.
    index.byResolved.set(manifest.resolvedKey, manifest);
    const others = index.byIdentity.get(manifest.identityKey)?.filter((one) =>
      one.resolvedKey !== manifest.resolvedKey
    );
    index.byIdentity.set(manifest.identityKey, [...others ?? [], manifest]);
  }

  #read(resolvedKey: string): ResultManifest | undefined {
    // A broken manifest is a miss; the next run of the stage replaces it.
    const manifest = readRecord(this.manifestPath(resolvedKey), resultManifestSchema);
    return manifest?.resolvedKey === resolvedKey ? manifest : undefined;
  }

  *#list(): Generator<string> {
    if (statIfThere(this.#root) === undefined) return;
    for (const folder of Deno.readDirSync(this.#root)) {
      if (!folder.isDirectory) continue;
      for (const { name } of Deno.readDirSync(join(this.#root, folder.name))) {
        if (name.endsWith(".json")) yield name.slice(0, -".json".length);
      }
    }
  }

  #rebuild(keys: Iterable<string>): void {
    const lines: string[] = [];
    for (const key of keys) {
      const manifest = this.#read(key);
      if (manifest !== undefined) lines.push(`${JSON.stringify({ recipeKey: manifest.recipeKey, manifest })}\n`);
    }
    // A store that is only looked at, as by `plan`, stays as it is when there is nothing to say.
    // Where it cannot be written, the manifests are read each time.
    if (lines.length > 0) ignoreTrouble(() => writeAtomically(this.#indexPath, lines.join("")));
  }
}

function sameOutputs(a: ResultManifest, b: ResultManifest): boolean {
  return a.resolvedKey === b.resolvedKey &&
    Object.entries(a.outputs).every(([port, { digest }]) => b.outputs[port]?.digest === digest);
}
