/**
 * What keeping resolved pipelines buys: a run with nothing to do takes 0.15 s of processor time for 100 stages and 0.18 s
 * for 1,000; with the file read and checked each time 0.36 and 0.75 s (best of 7 on two cores).
 */
import { basename, dirname, join, resolve } from "node:path";
import { type Diagnostic, refuse, type Result, type SourceText } from "../../diagnostic/diagnostic.ts";
import { encode } from "../../keys/encode.ts";
import { importLate } from "../../../std/import_late.ts";
import type { Kind, Stage } from "../../keys/stage.ts";
import type { DownloadExternal, NpmExternal } from "../../../contract/stage.ts";
import type { Pipeline } from "../pipeline.ts";
import { importsByComputedName } from "../../process/computed_imports.ts";
import { type ToolkitState, toolkitState } from "../../process/toolkit.ts";
import { SETTLE_MS } from "../../store/digests.ts";
import { holds, sha256Of, statIfThere } from "../../store/reading.ts";
import { dropOldest, readChecked, writeChecked } from "../../store/records.ts";
import { ignoreTrouble } from "../../store/trouble.ts";
import { openRoot } from "../../store/roots.ts";
import { findStoreRoot } from "../../store/store.ts";
import type { BuiltinKinds } from "./kinds.ts";
import type { LoadOptions } from "./load_pipeline.ts";
import { type ReadLog, watchReads } from "../../process/read_log.ts";

/** Raised when the same files would give another pipeline, or the same pipeline another text. */
const FORMAT = 2;
const PREFIX = "pipeline-";
/** Every edit, override and toolkit leaves an entry behind: how many stay. */
const KEPT = 16;

export interface LoaderOptions extends Pick<LoadOptions, "overrides" | "profiles" | "asPart"> {
  /** Default: in the store that belongs to the file. */
  readonly keptFolder?: string;
  /** Loads the kinds: most of the toolkit's code, which a run with nothing to do need not know. */
  readonly loadKinds: () => Promise<BuiltinKinds>;
  /** Files that define kinds and do not belong to the toolkit. */
  readonly kindFiles?: readonly string[];
  /** The toolkit as it is; for tests. */
  readonly toolkit?: ToolkitState;
}

interface Entry {
  /** Its own file name, so that it is not taken for another entry. */
  readonly name: string;
  /** Every file that had a say, with its SHA-256; none for one that would have a say if it were there. */
  readonly files: readonly (readonly [string, string | null])[];
  readonly kept: KeptPipeline;
  readonly said: ReturnType<typeof packWarnings>;
}

/**
 * Loads a pipeline, and keeps what came of it in the store. An entry is named by file, overrides, profiles and the state of
 * the toolkit, says which files had a say and what was in them, and begins with its own checksum: one that is torn or
 * out of date is a miss. Losing it costs a load.
 */
export class PipelineLoader {
  readonly #folder: string;
  readonly #toolkit: ToolkitState;
  #kept: string | undefined;
  #loaded: { readonly pipeline: Pipeline; readonly log: ReadLog; readonly since: number } | undefined;
  #warnings: readonly Diagnostic[] = [];

  constructor(private readonly file: string, private readonly options: LoaderOptions) {
    this.#folder = options.keptFolder ?? join(findStoreRoot(dirname(resolve(file))), "cache");
    this.#toolkit = options.toolkit ?? toolkitState(options.kindFiles);
  }

  /** A name for the resolved pipeline that was read or kept last: another one has another name. */
  get kept(): string | undefined {
    return this.#kept;
  }

  /** Warnings about the pipeline that was last read or loaded; each read or load repeats them. */
  get warnings(): readonly Diagnostic[] {
    return this.#warnings;
  }

  /** What loading the file would give now, if that is known without loading it: good for planning, not for running. */
  async read(): Promise<Pipeline | undefined> {
    const path = this.#path();
    const found = readChecked(path);
    const entry = found?.value as Entry | undefined;
    if (entry?.name !== basename(path) || !entry.files.every(([file, digest]) => isStill(file, digest))) {
      return undefined;
    }
    this.#kept = found!.checksum;
    this.#warnings = unpackWarnings(entry.said);
    return unpackPipeline(entry.kept);
  }

  /** Load the file in full. */
  async load(): Promise<Result<Pipeline>> {
    const since = Date.now();
    this.#kept = undefined;
    const { loadPipeline } = await importLate<typeof import("./load_pipeline.ts")>(
      import.meta.resolve("./load_pipeline.ts"),
    );
    const { loadKinds, ...options } = this.options;
    const kinds = await loadKinds();
    const { value: loaded, log } = await watchReads(() => loadPipeline(this.file, { ...options, kinds }));
    if (!loaded.ok) return refuse(loaded.diagnostics);
    // A pipeline that needs inputs from another pipeline cannot be run, so it is not kept.
    if (loaded.value.given.length === 0) this.#loaded = { pipeline: loaded.value, log, since };
    this.#warnings = loaded.warnings;
    return loaded;
  }

  /** Keep what was loaded. Only a store that exists gets an entry: looking at a pipeline must not make one. */
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
      said: packWarnings(this.#warnings),
    };
    ignoreTrouble(() => {
      openRoot(this.#folder);
      dropOldest(this.#folder, PREFIX, KEPT);
      this.#kept = writeChecked(path, entry);
    });
  }

  #path(): string {
    const { overrides = [], profiles = [] } = this.options;
    const name = encode([FORMAT, this.file, resolve(this.file), overrides, profiles, this.#toolkit.digest]);
    return join(this.#folder, `${PREFIX}${sha256Of(name)}.json`);
  }
}

function isStill(path: string, digest: string | null): boolean {
  // Where it is gone or closed, loading will say so better.
  return digest === null ? statIfThere(path)?.isFile !== true : holds(path, digest);
}

/**
 * The files of all TypeScript that was evaluated, or undefined where that cannot be told for sure: where a file may
 * have changed since it was evaluated, where one may join that is not there yet, or where a package that the toolkit
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

/** Of kinds that only what was validated is asked about. */
const NEVER_VALID: Kind["validate"] = () => ({ ok: false, issues: [] });

/** A kind without its functions. */
export function packKind(kind: Kind): KindData {
  return Object.fromEntries(Object.entries(kind).filter(([, value]) => typeof value !== "function")) as KindData;
}

/** Warnings as JSON, and the texts that they point into once each. */
function packWarnings(warnings: readonly Diagnostic[]) {
  const sources: SourceText[] = [];
  const text = JSON.stringify(warnings, (key, value) => {
    if (key !== "source") return value;
    if (!sources.includes(value)) sources.push(value);
    return sources.indexOf(value);
  });
  return { text, sources };
}

function unpackWarnings({ text, sources }: ReturnType<typeof packWarnings>): readonly Diagnostic[] {
  return JSON.parse(text, (key, value) => key === "source" ? sources[value] : value);
}

export type KeptPipeline = NonNullable<ReturnType<typeof packPipeline>>;

/** The text of a value for keys; undefined of one that has none, which JSON would not give back either. */
export function textOf(value: unknown): string | undefined {
  try {
    return encode(value);
  } catch {
    return undefined;
  }
}

/**
 * A resolved pipeline as JSON; undefined where JSON could not carry it. Stages and pipeline are kept whole, whatever fields
 * they have; kinds, which many stages share, are kept once and without their functions, whose answers stand in their place.
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
    // What kinds say of the outside of their stages, by index of the stage.
    outside: all.flatMap(({ kind, params }, index) => {
      if (kind.externals === undefined && kind.downloads === undefined) return [];
      return [[index, kind.externals?.(params) ?? null, kind.downloads?.(params) ?? null] as const];
    }),
  };
  return textOf(kept) === undefined ? undefined : kept;
}

/**
 * The pipeline that was packed, to find out whether there is anything to do. It knows no origins and no devices, and
 * its kinds check nothing: what runs or explains needs the file.
 */
export function unpackPipeline(kept: KeptPipeline): Pipeline {
  const outside = new Map<object, readonly [readonly NpmExternal[] | null, readonly DownloadExternal[] | null]>();
  for (const [index, ...answers] of kept.outside) outside.set(kept.stages[index]!.params, answers);
  const kinds = kept.kinds.map((data): Kind => ({
    ...data,
    validate: NEVER_VALID,
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
