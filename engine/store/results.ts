import { dirname, join } from "node:path";
import type { z } from "zod";
import { type FileEntry, indexLineSchema, type ResultManifest, resultManifestSchema } from "../../schemas/records.ts";
import { removeTree, replaceFile, setAside, writeAtomically } from "./files.ts";
import { entriesAt, factsAt, type FileFacts, isThere } from "./reading.ts";
import { ignoreTrouble } from "./trouble.ts";
import { FolderMaker } from "./folders.ts";
import { type LineKind, LineTable } from "./line_table.ts";
import { readRecord, recordText } from "./records.ts";

type IndexLine = z.output<typeof indexLineSchema>;

/** By what lines of the index are found, in the order of their keys. */
const BY = { recipe: 0, resolved: 1, identity: 2, local: 3 } as const;

const INDEX_LINES: LineKind<IndexLine> = {
  schema: indexLineSchema,
  keysOf: ({ recipeKey, manifest }) => [recipeKey, manifest.resolvedKey, manifest.identityKey, manifest.localKey],
  pattern:
    /^{"recipeKey":"(\w+)","manifest":{"format":1,"resolvedKey":"(\w+)","recipeKey":"\w+","identityKey":"(\w+)","localKey":"(\w+)",.*"}}$/s,
};

/**
 * Finished results by resolved key. The manifest file makes a result exist. The index, one line per result or per
 * further recipe that led to it, only saves opening thousands of manifests; it is rebuilt from them when it is gone.
 */
export class ResultStore {
  readonly #folders = new FolderMaker();
  #index: LineTable<IndexLine> | undefined;
  #whole = false;

  constructor(private readonly root: string, private readonly indexPath: string) {}

  manifestPath(resolvedKey: string): string {
    return join(this.root, resolvedKey.slice(0, 2), `${resolvedKey}.json`);
  }

  /** The result of a resolved key, also if another process published it after this one started. */
  byResolved(resolvedKey: string): ResultManifest | undefined {
    // The last line wins: a result that was replaced is entered again.
    const known = this.#load().find(BY.resolved, resolvedKey).at(-1)?.manifest;
    if (!this.isPublished(resolvedKey)) return undefined;
    return known ?? this.readManifest(resolvedKey);
  }

  /** What is known here of the index: while it is the same file with no more in it, `byResolved` tells nothing new. */
  get state(): FileFacts | undefined {
    return this.#index === undefined ? factsAt(this.indexPath) : this.#index.state;
  }

  /** Whether the index on disk says of a result what this manifest says. */
  isListed(manifest: ResultManifest): boolean {
    const last = this.#load().find(BY.resolved, manifest.resolvedKey).at(-1)?.manifest;
    return last !== undefined && sameOutputs(last, manifest);
  }

  /** The result that a recipe led to before. */
  byRecipe(recipeKey: string): ResultManifest | undefined {
    const known = this.#loadWhole().find(BY.recipe, recipeKey).at(-1)?.manifest;
    return known === undefined ? undefined : this.byResolved(known.resolvedKey);
  }

  /** Results that gave an artifact, oldest first. Looks through all of them: for explanations alone. */
  producing(digest: string): readonly ResultManifest[] {
    return this.keys().map((key) => this.readManifest(key)).filter((one) => one !== undefined).filter(({ outputs }) =>
      Object.values(outputs).some((artifact) => artifact.digest === digest)
    ).sort((a, b) => a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0);
  }

  /** Results that share everything but the extent, such as the same training at fewer steps. */
  byIdentity(identityKey: string): readonly ResultManifest[] {
    const found = this.#loadWhole().find(BY.identity, identityKey).map(({ manifest }) => manifest);
    return [...new Map(found.map((manifest) => [manifest.resolvedKey, manifest])).values()];
  }

  /** Whether any result has these code, params, seed and externals, with whatever inputs. */
  hasLocal(localKey: string): boolean {
    return this.#loadWhole().find(BY.local, localKey).length > 0;
  }

  /** Publish a result. Its objects must be durable already. The first result of a key stays. */
  async publish(manifest: ResultManifest): Promise<void> {
    const path = this.manifestPath(manifest.resolvedKey);
    await this.#folders.ensure(dirname(path));
    await replaceFile(path, recordText(path, resultManifestSchema, manifest));
    this.addRecipe(manifest.recipeKey, manifest);
  }

  /** Take a result away. Its objects go later, if nothing else names them. */
  remove(resolvedKey: string): void {
    removeTree(this.manifestPath(resolvedKey));
    this.forget();
  }

  /**
   * Put a manifest in order that cannot be read: from what the index remembers of it, else it is set aside under a name
   * that nothing serves, and the next run makes the result again. Only while nobody may publish: what was torn a moment
   * ago may have been replaced.
   *
   * @param isSound whether what is remembered fits its key
   */
  mend(resolvedKey: string, isSound: (manifest: ResultManifest, resolvedKey: string) => boolean): void {
    const path = this.manifestPath(resolvedKey);
    if (!isThere(path) || this.readManifest(resolvedKey) !== undefined) return;
    const known = this.byResolved(resolvedKey);
    if (known !== undefined && isSound(known, resolvedKey)) {
      writeAtomically(path, recordText(path, resultManifestSchema, known));
    } else setAside(path);
    this.forget();
  }

  /** Look at the disk again: another process may have added or removed results. */
  forget(): void {
    this.#index = undefined;
    this.#whole = false;
  }

  /** Resolved keys of all manifests that are there, in no order; a manifest may still turn out to be broken. */
  keys(): string[] {
    return [...entriesAt(2, this.root)].flatMap(({ name }) => /^(.+)\.json$/.exec(name)?.[1] ?? []);
  }

  /** What a result's manifest says, also while its file cannot be read and the index alone remembers it. */
  recall(resolvedKey: string): ResultManifest | undefined {
    return this.readManifest(resolvedKey) ?? this.byResolved(resolvedKey);
  }

  /** The manifest itself, not what the index says of it. A broken one is a miss; the next run of the stage replaces it. */
  readManifest(resolvedKey: string): ResultManifest | undefined {
    const manifest = readRecord(this.manifestPath(resolvedKey), resultManifestSchema);
    return manifest?.resolvedKey === resolvedKey ? manifest : undefined;
  }

  /** Remember that a recipe leads to a result, so that the next plan need not wait for its inputs. */
  addRecipe(recipeKey: string, manifest: ResultManifest): void {
    const index = this.#load();
    const known = index.find(BY.recipe, recipeKey).at(-1)?.manifest;
    if (known !== manifest) index.add({ recipeKey, manifest });
    if (known !== undefined && sameOutputs(known, manifest)) return;
    // The index is a hint; a full disk must not turn a published result into a failure.
    ignoreTrouble(() => index.append({ recipeKey, manifest }));
  }

  #load(): LineTable<IndexLine> {
    return this.#index ??= new LineTable(this.indexPath, INDEX_LINES);
  }

  /** The index, to which results are added that lack a line: a crash came before it, or the index is gone. */
  #loadWhole(): LineTable<IndexLine> {
    const index = this.#load();
    if (this.#whole) return index;
    this.#whole = true;
    for (const key of this.keys()) {
      const manifest = index.seems(BY.resolved, key) ? undefined : this.readManifest(key);
      if (manifest !== undefined) this.addRecipe(manifest.recipeKey, manifest);
    }
    return index;
  }

  isPublished(resolvedKey: string): boolean {
    return isThere(this.manifestPath(resolvedKey));
  }
}

export function filesOf({ outputs }: ResultManifest): FileEntry[] {
  return Object.values(outputs).flatMap(({ files }) => files);
}

/** Ports at which two results of one key have other bytes. */
export function differingPorts({ outputs: a }: ResultManifest, { outputs: b }: ResultManifest): string[] {
  return Object.keys({ ...a, ...b }).filter((port) => a[port]?.digest !== b[port]?.digest);
}

/** Whether two results of one key have the same bytes. */
export function sameOutputs(a: ResultManifest, b: ResultManifest): boolean {
  return a.resolvedKey === b.resolvedKey && differingPorts(a, b).length === 0;
}
