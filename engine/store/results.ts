import { CURVE_PORT } from "../../schemas/log.ts";
import { dirname, join } from "node:path";
import type { z } from "zod";
import { type FileEntry, indexLineSchema, type ResultManifest, resultManifestSchema } from "../../schemas/records.ts";
import { removeTree, replaceFile, setAside, writeAtomically } from "./files.ts";
import { entriesAt, factsAt, type FileFacts, isThere } from "./reading.ts";
import { ignoreIoErrors } from "./io_errors.ts";
import { FolderMaker } from "./folders.ts";
import { type LineKind, LineTable } from "./line_table.ts";
import { readRecord, recordText } from "./records.ts";

type IndexLine = z.output<typeof indexLineSchema>;

/** The position of each key by which lines of the index are found. */
const BY = { recipe: 0, resolved: 1, identity: 2, local: 3 } as const;

const INDEX_LINES: LineKind<IndexLine> = {
  schema: indexLineSchema,
  keysOf: ({ recipeKey, manifest }) => [recipeKey, manifest.resolvedKey, manifest.identityKey, manifest.localKey],
  pattern:
    /^{"recipeKey":"(\w+)","manifest":{"format":1,"resolvedKey":"(\w+)","recipeKey":"\w+","identityKey":"(\w+)","localKey":"(\w+)",.*"}}$/s,
};

/**
 * Finished results by resolved key. A result exists if its manifest file does. The index, one line per result or per
 * further recipe that led to it, only saves opening thousands of manifests; it is rebuilt from them when it is lost.
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

  /** Size and times of the index when last read here; while the file has these, `byResolved` returns nothing new. */
  get state(): FileFacts | undefined {
    return this.#index === undefined ? factsAt(this.indexPath) : this.#index.state;
  }

  /** True if the index on disk has the same outputs for a result as this manifest. */
  isListed(manifest: ResultManifest): boolean {
    const last = this.#load().find(BY.resolved, manifest.resolvedKey).at(-1)?.manifest;
    return last !== undefined && sameOutputs(last, manifest);
  }

  /** The result that a recipe led to before. */
  byRecipe(recipeKey: string): ResultManifest | undefined {
    const known = this.#loadWhole().find(BY.recipe, recipeKey).at(-1)?.manifest;
    return known === undefined ? undefined : this.byResolved(known.resolvedKey);
  }

  /** Results that include an artifact, oldest first. Reads all manifests: for explanations only. */
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

  /** True if any result has this code, params, seed and externals, with any inputs. */
  hasLocal(localKey: string): boolean {
    return this.#loadWhole().find(BY.local, localKey).length > 0;
  }

  /**
   * Writes a result's manifest in place of any earlier one of its key; the caller decides which result stays. Its
   * objects must be durable already.
   */
  async publish(manifest: ResultManifest): Promise<void> {
    const path = this.manifestPath(manifest.resolvedKey);
    await this.#folders.ensure(dirname(path));
    await replaceFile(path, recordText(path, resultManifestSchema, manifest));
    this.addRecipe(manifest.recipeKey, manifest);
  }

  /** Removes a result. Its objects are removed later, if nothing else names them. */
  remove(resolvedKey: string): void {
    removeTree(this.manifestPath(resolvedKey));
    this.forget();
  }

  /**
   * Repairs a manifest that cannot be read. It is written again if the index remembers it; otherwise it is set aside
   * under a name that nothing serves, and the next run makes the result again. Call this only while nobody may publish:
   * a manifest that was torn a moment ago may have been replaced.
   *
   * @param isSound true if the remembered manifest fits its key
   */
  repairManifest(resolvedKey: string, isSound: (manifest: ResultManifest, resolvedKey: string) => boolean): void {
    const path = this.manifestPath(resolvedKey);
    if (!isThere(path) || this.readManifest(resolvedKey) !== undefined) return;
    const known = this.byResolved(resolvedKey);
    if (known !== undefined && isSound(known, resolvedKey)) {
      writeAtomically(path, recordText(path, resultManifestSchema, known));
    } else setAside(path);
    this.forget();
  }

  /** Drops the index, so that the disk is read again: another process may have added or removed results. */
  forget(): void {
    this.#index = undefined;
    this.#whole = false;
  }

  /** Resolved keys of all existing manifests, in no order; a manifest may still turn out to be broken. */
  keys(): string[] {
    return [...entriesAt(2, this.root)].flatMap(({ name }) => /^(.+)\.json$/.exec(name)?.[1] ?? []);
  }

  /** The manifest of a result, from the index if the manifest's file cannot be read. */
  recall(resolvedKey: string): ResultManifest | undefined {
    return this.readManifest(resolvedKey) ?? this.byResolved(resolvedKey);
  }

  /** The manifest from its file, not from the index. A broken one is a miss; the next run of the stage replaces it. */
  readManifest(resolvedKey: string): ResultManifest | undefined {
    const manifest = readRecord(this.manifestPath(resolvedKey), resultManifestSchema);
    return manifest?.resolvedKey === resolvedKey ? manifest : undefined;
  }

  /** Records that a recipe leads to a result, so that the next plan need not wait for its inputs. */
  addRecipe(recipeKey: string, manifest: ResultManifest): void {
    const index = this.#load();
    const known = index.find(BY.recipe, recipeKey).at(-1)?.manifest;
    if (known !== manifest) index.add({ recipeKey, manifest });
    if (known !== undefined && sameOutputs(known, manifest)) return;
    // The index is a hint; a full disk must not turn a published result into a failure.
    ignoreIoErrors(() => index.append({ recipeKey, manifest }));
  }

  #load(): LineTable<IndexLine> {
    return this.#index ??= new LineTable(this.indexPath, INDEX_LINES);
  }

  /** The index, completed with results that lack a line: a crash came before the line, or the index is lost. */
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

/** Ports at which two results of one key have different bytes. */
export function differingPorts({ outputs: a }: ResultManifest, { outputs: b }: ResultManifest): string[] {
  // Results of earlier versions have no curves.
  const all = Object.keys({ ...a, ...b }).filter((port) => port !== CURVE_PORT || (port in a && port in b));
  return all.filter((port) => a[port]?.digest !== b[port]?.digest);
}

/** True if two results have the same key and the same bytes. */
export function sameOutputs(a: ResultManifest, b: ResultManifest): boolean {
  return a.resolvedKey === b.resolvedKey && differingPorts(a, b).length === 0;
}
