import type { KnownDownload } from "../../std/download.ts";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { folderArtifact, makeContext, openInput } from "../../engine/process/context.ts";
import { partsOf } from "../../engine/store/files.ts";
import type {
  BuiltinKind,
  InputArtifact,
  OutputPorts,
  OwnDefinition,
  ProgressUpdate,
  SavedState,
  Share,
  StageEnd,
  StageProgress,
  StageRun,
} from "../../engine/contract/stage.ts";
import type { StageEvent } from "../../engine/process/protocol.ts";
import { withTypeChecks } from "../../artifacts/types.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { onnxNumerics } from "../../science/tensor/onnx/describe.ts";

/** Any built-in kind. Like the registry's own type, this type does not know the kind's params. */
type AnyKind = Pick<BuiltinKind, "kind" | "entry" | "outputs" | "seeded"> & {
  readonly params: z.ZodObject;
  // deno-lint-ignore no-explicit-any
  readonly downloads?: (params: any) => readonly KnownDownload[];
};

export interface StageOptions {
  /** As in a pipeline file: defaults are filled in. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs?: Readonly<Record<string, InputArtifact>>;
  readonly seed?: number;
  readonly progress?: StageProgress;
  /** Folders of npm packages, by name. */
  readonly packages?: Readonly<Record<string, string>>;
  /** Digests of outside files, by param. Default: of the file that now lies at `path`. */
  readonly externals?: Readonly<Record<string, string>>;
  /** User definitions, as the stage's process has loaded them. */
  readonly definitions?: readonly OwnDefinition[];
  /** Folder of fetched files. */
  readonly downloads?: string;
  readonly stop?: AbortSignal;
  /** Default: `onnx`. */
  readonly device?: { readonly name: string; readonly numerics: string };
  readonly onReport?: (update: ProgressUpdate) => void;
  /** Called for previews, notes and warnings. */
  readonly onSaid?: (event: Exclude<StageEvent, { type: "progress" }>) => void;
  /** The shard to compute; it becomes the output `part`. */
  readonly share?: Share;
  /** Outputs of shards, to be joined. */
  readonly parts?: readonly InputArtifact[];
}

export interface StageOutcome {
  readonly end: StageEnd | undefined;
  readonly outputs: Readonly<Record<string, InputArtifact>>;
}

type Files = Parameters<StageProgress["save"]>[1];

/** Saved states in memory. `extent` is the param that a longer run raises. */
export class MemoryProgress implements StageProgress {
  readonly #states = new Map<number, Readonly<Record<string, Uint8Array>>>();
  extent = Infinity;

  get steps(): number[] {
    return [...this.#states.keys()];
  }

  latest(): Promise<SavedState | undefined> {
    const step = Math.max(-1, ...this.steps.filter((step) => step <= this.extent));
    const files = this.#states.get(step);
    if (files === undefined) return Promise.resolve(undefined);
    return Promise.resolve(this.#stateOf(step));
  }

  #stateOf(step: number): SavedState {
    const files = this.#states.get(step)!;
    return { step, path: (name) => `memory:${step}/${name}`, read: (name) => Promise.resolve(files[name]!.slice()) };
  }

  save(step: number, files: Files): Promise<SavedState> {
    const bytesOf = (file: Files[string]) => {
      if (!("path" in file)) return new Uint8Array(Buffer.concat(partsOf(file)));
      const [, before, name] = /^memory:(\d+)\/(.*)$/.exec(file.path) ?? [];
      return name === undefined ? Deno.readFileSync(file.path) : this.#states.get(Number(before))![name]!;
    };
    this.#states.set(step, Object.fromEntries(Object.entries(files).map(([name, file]) => [name, bytesOf(file)])));
    return Promise.resolve(this.#stateOf(step));
  }

  /** Depends on the step only, so that a slow machine saves no more often. */
  isDue(): boolean {
    return false;
  }
}

/** Runs a stage in this process, with its artifacts under `folder`. */
export async function runStage(folder: string, kind: AnyKind, options: StageOptions): Promise<StageOutcome> {
  const { default: run } = await import(kind.entry) as { default: StageRun };
  const place = await Deno.makeTempDir({ dir: folder, prefix: `${kind.kind}-` });
  const { share, parts = [] } = options;
  const ports: OutputPorts = share === undefined ? kind.outputs : { part: { type: "files", description: "" } };
  const outputs = Object.fromEntries(Object.keys(ports).map((port) => [port, join(place, "out", port)]));
  const progressFolder = join(place, "progress");
  for (const each of [...Object.values(outputs), progressFolder]) Deno.mkdirSync(each, { recursive: true });
  // A user definition checks its params itself.
  const params = isOwn(options.params) ? options.params : parseParams(kind, options.params);
  const start = {
    params,
    seed: kind.seeded === true ? options.seed ?? 0 : 0,
    inputs: {},
    outputs,
    ...(share === undefined ? {} : { share }),
    progressFolder,
    progressLimit: Infinity,
    // Joining shards computes nothing.
    device: parts.length > 0 ? undefined : options.device ?? { name: "onnx", numerics: onnxNumerics() },
    packages: options.packages ?? {},
    externals: options.externals ?? externalsOf(kind, params),
    downloads: options.downloads,
  };
  const context = makeContext(start, options.stop ?? new AbortController().signal, (event) => {
    if (event.type === "progress") options.onReport?.(event.update);
    else options.onSaid?.(event);
  });
  const { inputs = {}, progress = context.progress, definitions = [] } = options;
  const end = await withTypeChecks(run)({ ...context, inputs, progress, parts, definitions }) ?? undefined;
  const finished = end === undefined ? Object.entries(ports) : [];
  const artifacts = finished.map(([port, { type }]) =>
    [port, openInput(folderArtifact(outputs[port]!, type))] as const
  );
  return { end, outputs: Object.fromEntries(artifacts) };
}

/** Parses params and fills in their defaults, but leaves user definitions as they are. */
function parseParams(kind: AnyKind, params: StageOptions["params"]): Readonly<Record<string, unknown>> {
  const isMap = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const without = (value: unknown): unknown =>
    isMap(value)
      ? Object.fromEntries(Object.entries(value).flatMap(([key, one]) => isOwn(one) ? [] : [[key, without(one)]]))
      : value;
  const withOwn = (parsed: unknown, given: unknown): unknown => {
    if (isOwn(given)) return given;
    if (!isMap(parsed) || !isMap(given)) return parsed;
    const below = Object.entries(given).map(([key, one]) => [key, withOwn(parsed[key], one)]);
    return { ...parsed, ...Object.fromEntries(below) };
  };
  return withOwn(kind.params.parse(without(params)), params) as Readonly<Record<string, unknown>>;
}

/** Returns digests as the engine finds them. */
function externalsOf({ downloads }: AnyKind, params: Readonly<Record<string, unknown>>): Record<string, string> {
  const { path } = params;
  const isFile = typeof path === "string" && existsSync(path) && Deno.statSync(path).isFile;
  return {
    ...(isFile ? { path: createHash("sha256").update(Deno.readFileSync(path)).digest("hex") } : {}),
    ...Object.fromEntries((downloads?.(params) ?? []).map(({ name, sha256 }) => [name, sha256])),
  };
}

/** Returns every file's bytes as a hash, by port and name: two results are the same exactly when these are. */
export function digests({ outputs }: StageOutcome): Record<string, string> {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([port, { files }]) =>
      files.map(({ path, sha256 }): [string, string] => [`${port}/${path}`, sha256])
    ),
  );
}
