import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { z } from "zod";
import type { ArtifactType } from "../../schemas/artifacts.ts";
import type { FileEntry } from "../../schemas/records.ts";
import type {
  BuiltinKind,
  InputArtifact,
  OutputArtifact,
  ProgressUpdate,
  SavedState,
  StageContext,
  StageEnd,
  StageProgress,
  StageRun,
} from "../../stages/contract.ts";
import { holdToTypes } from "../../stages/shared/check_artifact.ts";
import { onnxNumerics } from "../../tensor/mod.ts";

/** Any built-in kind. The registry's own type forgets what a kind's params are; so does this. */
type AnyKind = Pick<BuiltinKind, "kind" | "entry" | "outputs" | "seeded"> & { readonly params: z.ZodObject };

export interface StageOptions {
  /** As in a pipeline file: defaults are filled in. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs?: Readonly<Record<string, InputArtifact>>;
  readonly seed?: number;
  readonly progress?: MemoryProgress;
  /** Folders of npm packages, by name. */
  readonly packages?: Readonly<Record<string, string>>;
  /** Folder of fetched files. */
  readonly downloads?: string;
  readonly stop?: AbortSignal;
  /** Default: `onnx`. */
  readonly device?: { readonly name: string; readonly numerics: string };
  readonly onReport?: (update: ProgressUpdate) => void;
}

export interface StageOutcome {
  readonly end: StageEnd | undefined;
  readonly outputs: Readonly<Record<string, InputArtifact>>;
}

/** Saved states in memory. `extent` is what a longer run raises. */
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
    return Promise.resolve({ step, read: (name) => Promise.resolve(Uint8Array.from(files[name]!)) });
  }

  save(step: number, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
    this.#states.set(step, Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.slice()])));
    return Promise.resolve();
  }
}

/** Run a stage in this process, with its artifacts under `folder`. */
export async function runStage(folder: string, kind: AnyKind, options: StageOptions): Promise<StageOutcome> {
  const { default: run } = await import(kind.entry) as { default: StageRun };
  const place = await Deno.makeTempDir({ dir: folder, prefix: `${kind.kind}-` });
  const outputs = Object.fromEntries(Object.keys(kind.outputs).map((port) => [port, output(join(place, port))]));
  const context: StageContext = {
    params: kind.params.parse(options.params),
    seed: kind.seeded === true ? options.seed ?? 0 : 0,
    inputs: options.inputs ?? {},
    outputs,
    progress: options.progress ?? new MemoryProgress(),
    device: options.device ?? { name: "onnx", numerics: onnxNumerics() },
    packages: options.packages ?? {},
    downloads: options.downloads,
    stop: options.stop ?? new AbortController().signal,
    report: options.onReport ?? (() => {}),
    note: () => {},
    warn: () => {},
  };
  const end = await holdToTypes(run)(context) ?? undefined;
  const finished = end === undefined ? Object.entries(kind.outputs) : [];
  const artifacts = finished.map(async ([port, { type }]) =>
    [port, await openArtifact(join(place, port), type)] as const
  );
  return { end, outputs: Object.fromEntries(await Promise.all(artifacts)) };
}

/** Every file's bytes as a hash, by port and name: two results are the same exactly when these are. */
export function digests({ outputs }: StageOutcome): Record<string, string> {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([port, { files }]) =>
      files.map(({ path, sha256 }): [string, string] => [`${port}/${path}`, sha256])
    ),
  );
}

function output(folder: string): OutputArtifact {
  return {
    folder,
    async write(name, content) {
      const path = join(folder, name);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    },
  };
}

async function openArtifact(folder: string, type: ArtifactType): Promise<InputArtifact> {
  const files: FileEntry[] = [];
  const visit = async (prefix: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(join(folder, prefix))) {
      if (isDirectory) await visit(`${prefix}${name}/`);
      else {
        const bytes = await Deno.readFile(join(folder, prefix, name));
        files.push({ path: `${prefix}${name}`, size: bytes.length, sha256: sha256(bytes) });
      }
    }
  };
  await visit("");
  files.sort((a, b) => a.path < b.path ? -1 : 1);
  return {
    type,
    digest: sha256(new TextEncoder().encode(JSON.stringify(files))),
    files,
    path: (name) => join(folder, name),
    read: (name) => Deno.readFile(join(folder, name)),
    readText: (name) => Deno.readTextFile(join(folder, name)),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
