/**
 * Keeping resolved pipelines saves time: an up-to-date run takes 0.15 s of processor time for 100 stages and 0.18 s for
 * 1,000; if the file is read and checked each time, it takes 0.36 and 0.75 s (best of 7 on two cores).
 */
import type { KnownDownload } from "../../../std/download.ts";
import { basename, dirname, join, resolve } from "node:path";
import { type Diagnostic, refuse, type Result, type SourceText } from "../../diagnostic/diagnostic.ts";
import { encode } from "../../keys/encode.ts";
import { importLate } from "../../../std/import_late.ts";
import type { Kind, Stage } from "../../keys/stage.ts";
import type { NpmExternal } from "../../contract/stage.ts";
import type { Pipeline } from "../pipeline.ts";
import { importsByComputedName } from "../../process/computed_imports.ts";
import { type ToolkitState, toolkitState } from "../../process/toolkit.ts";
import { SETTLE_MS } from "../../store/digests.ts";
import { holds, sha256Of, statIfThere } from "../../store/reading.ts";
import { dropOldest, readChecked, writeChecked } from "../../store/records.ts";
import { ignoreIoErrors } from "../../store/io_errors.ts";
import { allowWritesBelow } from "../../store/write_roots.ts";
import { findStoreRoot } from "../../store/store.ts";
import type { BuiltinKinds } from "./kinds.ts";
import type { LoadOptions } from "./load_pipeline.ts";
import { type ReadLog, watchReads } from "../../process/read_log.ts";

/** The version of entries. Raised when the same files would give another pipeline, or a pipeline another text. */
const FORMAT = 2;
const PREFIX = "pipeline-";
/** The number of entries that stay: every edit, override and toolkit leaves one behind. */
const KEPT = 16;

export interface LoaderOptions extends Pick<LoadOptions, "overrides" | "profiles" | "allowMissingInputs" | "value"> {
  /** The folder of kept pipelines; by default in the store that belongs to the file. */
  readonly keptFolder?: string;
  /** Loads the kinds: most of the toolkit's code, which an up-to-date run does not need. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files that define kinds and do not belong to the toolkit. */
  readonly kindFiles?: readonly string[];
  /** The state of the toolkit; for tests. */
  readonly toolkit?: ToolkitState;
}

interface Entry {
  /** The entry's own file name, so that it is not taken for another entry. */
  readonly name: string;
  /** Every file that had an influence, with its SHA-256; null for a file that would have one if it existed. */
  readonly files: readonly (readonly [string, string | null])[];
  readonly kept: KeptPipeline;
  readonly said: ReturnType<typeof packWarnings>;
}

/**
 * Loads a pipeline, and keeps the resolved pipeline in the store. An entry is named by file, overrides, profiles and
 * the state of the toolkit, lists the files that had an influence and their digests, and begins with its own checksum:
 * an entry that is torn or out of date is a miss. Losing an entry costs a load.
 */
export class PipelineLoader {
  readonly #folder: string;
  readonly #toolkit: ToolkitState;
  /** A name for the resolved pipeline that was read or kept last: another pipeline has another name. */
  kept: string | undefined;
  /** Warnings about the pipeline that was last read or loaded; each read or load repeats them. */
  warnings: readonly Diagnostic[] = [];
  #loaded: { readonly pipeline: Pipeline; readonly log: ReadLog; readonly since: number } | undefined;

  constructor(private readonly file: string, private readonly options: LoaderOptions) {
    this.#folder = options.keptFolder ?? join(findStoreRoot(dirname(resolve(file))), "cache");
    this.#toolkit = options.toolkit ?? toolkitState(options.kindFiles);
  }

  /** Returns what loading would give now, if that is known without loading: good for planning, not for running. */
  async read(): Promise<Pipeline | undefined> {
    const path = this.#path();
    const found = readChecked(path);
    const entry = found?.value as Entry | undefined;
    if (entry?.name !== basename(path) || !entry.files.every(([file, digest]) => isStill(file, digest))) {
      return undefined;
    }
    this.kept = found!.checksum;
    this.warnings = JSON.parse(entry.said.text, (key, value) => key === "source" ? entry.said.sources[value] : value);
    return unpackPipeline(entry.kept);
  }

  /** Loads the file in full. */
  async load(): Promise<Result<Pipeline>> {
    const since = Date.now();
    this.kept = undefined;
    const { loadPipeline } = await importLate<typeof import("./load_pipeline.ts")>(
      import.meta.resolve("./load_pipeline.ts"),
    );
    const { loadKinds, ...options } = this.options;
    const kinds = await loadKinds();
    const { value: loaded, log } = await watchReads(() => loadPipeline(this.file, { ...options, kinds }));
    if (!loaded.ok) return refuse(loaded.diagnostics);
    // A pipeline that needs inputs from another pipeline cannot be run, so it is not kept; nor is one with programs,
    // which may mean others once there are other files or another PATH.
    const isOpen = loaded.value.stages.values().some(({ kind }) => kind.command !== undefined);
    if (loaded.value.given.length === 0 && !isOpen) this.#loaded = { pipeline: loaded.value, log, since };
    this.warnings = loaded.warnings;
    return loaded;
  }

  /** Keeps the loaded pipeline. Only a store that exists gets an entry: looking at a pipeline must not make a store. */
  keep(): void {
    if (this.#loaded === undefined || !this.#toolkit.settled || statIfThere(this.#folder) === undefined) return;
    const { pipeline, log, since } = this.#loaded;
    this.#loaded = undefined;
    const path = this.#path();
    const modules = moduleFiles(log, since);
    const kept = packPipeline(pipeline);
    if (modules === undefined || kept === undefined) return;
    const entry: Entry = {
      name: basename(path),
      files: [...log.texts, ...modules],
      kept,
      said: packWarnings(this.warnings),
    };
    ignoreIoErrors(() => {
      allowWritesBelow(this.#folder);
      dropOldest(this.#folder, PREFIX, KEPT);
      this.kept = writeChecked(path, entry);
    });
  }

  #path(): string {
    const { overrides = [], profiles = [] } = this.options;
    const name = encode([FORMAT, this.file, resolve(this.file), overrides, profiles, this.#toolkit.digest]);
    return join(this.#folder, `${PREFIX}${sha256Of(name)}.json`);
  }
}

function isStill(path: string, digest: string | null): boolean {
  // If the file is gone or unreadable, loading will explain that better.
  return digest === null ? statIfThere(path)?.isFile !== true : holds(path, digest);
}

/**
 * Returns the files of all TypeScript that was evaluated, or undefined if they cannot be told for sure: if a file may
 * have changed since it was evaluated, if a file may join that does not exist yet, or if a package that the toolkit
 * does not pin may come in another version.
 */
function moduleFiles({ modules }: ReadLog, since: number): [string, string | null][] | undefined {
  const found = new Map<string, string | null>();
  for (const { ownPackages, files, settings } of modules.values()) {
    if (ownPackages || files.some(([file]) => importsByComputedName(Deno.readTextFileSync(file)))) return undefined;
    for (const [file, content] of [...files, ...settings]) found.set(file, content);
  }
  for (const [file, content] of found) {
    const info = statIfThere(file);
    const changed = Math.max(info?.mtime?.getTime() ?? (content === null ? 0 : Infinity), info?.ctime?.getTime() ?? 0);
    if (changed + SETTLE_MS > since) return undefined;
  }
  return [...found];
}

type KindData = Omit<Kind, "validate" | "check" | "externals" | "downloads" | "device" | "map">;

/** Returns a kind without its functions. */
export function packKind(kind: Kind): KindData {
  return Object.fromEntries(Object.entries(kind).filter(([, value]) => typeof value !== "function")) as KindData;
}

/** Returns warnings as JSON, and each text that they point into once. */
function packWarnings(warnings: readonly Diagnostic[]) {
  const sources: SourceText[] = [];
  const text = JSON.stringify(warnings, (key, value) => {
    if (key !== "source") return value;
    if (!sources.includes(value)) sources.push(value);
    return sources.indexOf(value);
  });
  return { text, sources };
}

export type KeptPipeline = NonNullable<ReturnType<typeof packPipeline>>;

/** Returns the text of a value for keys; undefined if it has none: JSON would not give such a value back either. */
export function textOf(value: unknown): string | undefined {
  try {
    return encode(value);
  } catch {
    return undefined;
  }
}

/**
 * Returns a resolved pipeline as JSON data; undefined if JSON could not carry it. Stages and pipeline are kept whole,
 * whatever fields they have; kinds, which many stages share, are kept once and without their functions, whose answers
 * are kept instead.
 */
export function packPipeline(pipeline: Pipeline) {
  const { stages, families, leftOut, origins: _origins, ...rest } = pipeline;
  const all = [...stages.values()];
  const kinds = [...new Set(all.map(({ kind }) => kind))];
  const kept = {
    pipeline: rest,
    kinds: kinds.map(packKind),
    stages: all.map((stage) => ({ ...stage, kind: kinds.indexOf(stage.kind) })),
    families: [...families],
    leftOut: [...leftOut],
    // The answers of the functions `externals` and `downloads` of kinds, by index of the stage.
    outside: all.flatMap(({ kind, params }, index) => {
      if (kind.externals === undefined && kind.downloads === undefined) return [];
      return [[index, kind.externals?.(params) ?? null, kind.downloads?.(params) ?? null] as const];
    }),
  };
  return textOf(kept) === undefined ? undefined : kept;
}

/**
 * Returns the pipeline that was packed, to find out whether it is up to date. It knows no origins and no devices, and
 * its kinds check nothing: running or explaining it needs the file.
 */
export function unpackPipeline(kept: KeptPipeline): Pipeline {
  const outside = new Map<object, readonly [readonly NpmExternal[] | null, readonly KnownDownload[] | null]>();
  for (const [index, ...answers] of kept.outside) outside.set(kept.stages[index]!.params, answers);
  const kinds = kept.kinds.map((data): Kind => ({
    ...data,
    // Kept kinds are only asked about params that have been validated.
    validate: () => ({ ok: false, issues: [] }),
    externals: (params) => outside.get(params)?.[0] ?? [],
    downloads: (params) => outside.get(params)?.[1] ?? [],
  }));
  return {
    ...kept.pipeline,
    stages: new Map(kept.stages.map((stage) => [stage.id, { ...stage, kind: kinds[stage.kind]! } as Stage])),
    families: new Map(kept.families),
    leftOut: new Map(kept.leftOut),
    origins: { locate: () => undefined, explain: () => [""] },
  };
}
