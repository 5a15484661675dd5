import type { z } from "zod";
import type { ArtifactType, WantedArtifact } from "../../schemas/artifacts.ts";
import type { Sort } from "../../schemas/definitions.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import type { FileEntry } from "../../schemas/records.ts";
import type { Schema } from "../../schemas/roles.ts";
import type { StagePermissions } from "../../schemas/types.ts";
import type { KnownWork, StageDevice, TryDevice } from "../../schemas/device.ts";
import type { KnownDownload } from "../../std/download.ts";

/** An input that a stage reads: one artifact, or with `list` several. */
export interface InputPort {
  /** One type, or any of several: the stage finds out which from the artifact. */
  readonly type: WantedArtifact;
  /** The purpose of the input, as `stages NAME` shows it. */
  readonly description: string;
  /** True if a pipeline may leave the input out. */
  readonly optional?: boolean;
  /** True if the input takes several artifacts. */
  readonly list?: boolean;
}

/** An output that a stage writes. */
export interface OutputPort {
  /** The type of the artifact, by which others know what files to expect. */
  readonly type: ArtifactType;
  /** The content of the output, as `stages NAME` shows it. */
  readonly description: string;
}

/** Inputs by name. */
export type InputPorts = Readonly<Record<string, InputPort>>;
/** Outputs by name. */
export type OutputPorts = Readonly<Record<string, OutputPort>>;

/** A finished artifact, as a stage sees its input. Read-only. */
export interface InputArtifact {
  /** The type of the output that it came from. */
  readonly type: ArtifactType;
  /** SHA-256 of its list of files: the identity of its content. */
  readonly digest: string;
  /** Its files, sorted by path. */
  readonly files: readonly FileEntry[];
  /** Returns the absolute path of one of the artifact's files. Throws on a name that the artifact does not have. */
  path(name: string): string;
  /** Reads one of the artifact's files as bytes. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Reads one of the artifact's files as text. */
  readText(name: string): Promise<string>;
}

/** The bytes of a file, as a whole or in parts that follow one another. */
export type FileContent = Uint8Array | readonly Uint8Array[];

/** An output under construction. It becomes an artifact only when the stage ends well. */
export interface OutputArtifact {
  /** Absolute path of the folder that becomes the artifact; a stage may also write files there itself. */
  readonly folder: string;
  /** Writes a file, making folders as needed. `name` is relative, with `/`. */
  write(name: string, content: FileContent | string): Promise<void>;
}

/** State that a long stage saved earlier, so that it need not start again. */
export interface SavedState {
  /** The step that was given to `save`. */
  readonly step: number;
  /** Reads one of the files that were saved. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Returns the path of one of the files that were saved, which must not be changed. */
  path(name: string): string;
}

/** Saved states of one stage. All of them belong to the same identity params, inputs and numerics. */
export interface StageProgress {
  /** Returns the newest intact state at or below the wanted extent. */
  latest(): Promise<SavedState | undefined>;
  /**
   * Saves a state, of files by name. The state counts only once it is complete on disk; a run keeps the newest two.
   *
   * @param files contents; or, in the toolkit's own kinds, the path of a large file: the state gets a hard link to it,
   *   and it must not be changed from then on
   * @returns the state: its files may be linked into the next one
   */
  save(step: number, files: Readonly<Record<string, FileContent | { readonly path: string }>>): Promise<SavedState>;
  /** Returns true if this much time has passed since the last save, or without a save since the stage began. */
  isDue(everySeconds: number): boolean;
}

/** A stage's progress, shown to the user. */
export interface ProgressUpdate {
  /** The number of units that are done. */
  readonly done: number;
  /** The number of units in all. */
  readonly total: number;
  /** The name of the unit, in the singular: `step`, `image`. */
  readonly unit: string;
  /** The number of images in one unit, if the unit is not an image: a training step has a batch of them. */
  readonly images?: number;
  /** Figures such as `{ loss: 0.041 }`. Numbers, at most 16, are kept and plotted; the first, and texts, are shown. */
  readonly figures?: Readonly<Record<string, string | number>>;
}

/** A preview of what a stage would make by now. */
export interface StagePreview {
  /** The number of units of the stage's progress that are done. */
  readonly step: number;
  /** A PNG of at most 750,000 bytes. */
  readonly png: Uint8Array;
  /** The time that it took to make the picture, which then does not count in the pace of the stage. */
  readonly seconds?: number;
}

/** The value that a stage is given on one input port. */
export type InputValue<P extends InputPort> = P extends { list: true } ? readonly InputArtifact[]
  : P extends { optional: true } ? InputArtifact | undefined
  : InputArtifact;

/** A Zod object, reduced to what the types of others need. Zod's own type has no place in the public API. */
export interface ParamsSchema extends Schema<object> {
  /** The schema of each param. */
  readonly shape: Readonly<Record<string, Schema>>;
}

/** The part of a stage's work that one process does: every `of`-th batch, from the one numbered `index` on. */
export interface Share {
  /** The number of the share, from 0. */
  readonly index: number;
  /** The number of shares in all. */
  readonly of: number;
}

/** A user definition, loaded in the process of a stage that computes with it. */
export interface OwnDefinition {
  /** The sort of the definition, such as a network. */
  readonly sort: Sort;
  /** The path of its file, as the pipeline writes it. */
  readonly uses: string;
  /** The digest of its modules. */
  readonly code: string;
  /** The default export of the file, which the engine has looked at only from outside. */
  readonly definition: unknown;
}

/** Everything that a running stage may know. It gets no clock, no host facts and no randomness beyond its seed. */
export interface StageContext<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> {
  /** The params, as the schema outputs them. */
  readonly params: P["_zod"]["output"];
  /** The pipeline's seed for kinds marked `seeded`, else 0. */
  readonly seed: number;
  /** The artifacts that the stage reads, by input port. */
  readonly inputs: { readonly [K in keyof I]: InputValue<I[K]> };
  /** The artifacts that the stage writes, by output port. */
  readonly outputs: { readonly [K in keyof O]: OutputArtifact };
  /** States that were saved earlier, and a way to save more. */
  readonly progress: StageProgress;
  /** Set if only a share is to be computed, which goes to `part` and nothing to `outputs`; see `inParts`. */
  readonly share: Share & { readonly part: OutputArtifact } | undefined;
  /** The parts that other processes have computed, share by share; empty if this one computes all. */
  readonly parts: readonly InputArtifact[];
  /** The device to compute on, for kinds that compute with tensors. */
  readonly device: { readonly name: string; readonly numerics: string } | undefined;
  /** Folders, by name, of the npm packages whose files the stage reads; see `externals` and `browser` of its kind. */
  readonly packages: Readonly<Record<string, string>>;
  /** SHA-256 of what the stage reads from outside, by param, as in its key: a file may have been changed since. */
  readonly externals: Readonly<Record<string, string>>;
  /** User definitions for a built-in kind: those that its params name, and those that its inputs were made with. */
  readonly definitions: readonly OwnDefinition[];
  /** Folder for the files of the kind's `downloads`, shared by all stages of the store; undefined if there are none. */
  readonly downloads: string | undefined;
  /** Aborted when the user asks to stop: save the state, then return `interrupted`. */
  readonly stop: AbortSignal;
  /** Reports the stage's progress. */
  report(update: ProgressUpdate): void;
  /** Shows a preview of the result. It is kept with the run, 500 of a stage at most, and in no artifact. */
  preview(picture: StagePreview): void;
  /** Reports something worth knowing. */
  note(message: string): void;
  /** Reports something that the user should look at. */
  warn(message: string): void;
}

/** The end of a stage that did not simply complete. Throwing is for bugs; expected failures are returned. */
export type StageEnd =
  | { readonly status: "interrupted"; readonly step: number }
  | {
    readonly status: "failed";
    readonly message: string;
    readonly fix?: string;
    /** Says what is not finite, if that is why it failed: a trial of a search then loses, and the search goes on. */
    readonly notFinite?: string;
  };

/** The file that says why a trial of a search has lost, in place of the files of its outputs. */
export const LOST_FILE = "lost.txt";

/** The code of a stage. */
export type StageRun<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> = (context: StageContext<P, I, O>) => Promise<StageEnd | void>;

/** The description of a stage that the engine needs before the stage runs. */
export interface StageInterface<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> {
  /** A description of what the stage does, in one line. */
  readonly summary: string;
  /** A strict Zod object. Roles are set with `extent`, `execution`, `externalFile` and `legacy`. */
  readonly params: P;
  /** The input ports. */
  readonly inputs: I;
  /** The output ports. */
  readonly outputs: O;
  /** True if the result depends on the pipeline's seed. */
  readonly seeded?: boolean;
  /** Permissions of the stage's process, beyond reading its inputs and writing its outputs. */
  readonly permissions?: StagePermissions;
  /** Slots that the stage takes; a pipeline may set others. */
  readonly resources?: Resources;
  /** True if a pipeline may have the stage computed in shards: its code does so by `inParts`. */
  readonly shards?: boolean;
}

/** A custom stage, the default export of the file that `uses` names. */
export interface StageDefinition<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> extends StageInterface<P, I, O> {
  /** True if the stage computes with tensors: it gets the params `device` and `threads`, for `withDevice`. */
  readonly device?: boolean;
  /** The stage's code, which runs in a process of its own. */
  readonly run: StageRun<P, I, O>;
}

/** Facts about an artifact before it exists, such as image size and count. Free-form; consumers check them. */
export type Facts = Readonly<Record<string, unknown>>;

/** A problem that a kind finds in its params or its future inputs, before anything runs. */
export interface CheckProblem {
  /** An error if it is not set. */
  readonly severity?: "error" | "warning";
  /** The param that the problem is about, as a path below `with`; or the input port. */
  readonly param?: readonly (string | number)[];
  readonly input?: string;
  readonly message: string;
  readonly got?: string;
  readonly wanted?: string;
  readonly fix?: string;
}

/** The device of a stage, or the problem why there is none, which is an error. */
export type DeviceFinding = { readonly device: StageDevice } | { readonly problem: CheckProblem };

export interface CheckResult {
  readonly problems: readonly CheckProblem[];
  /** Remarks worth reading once: `validate` prints them, as does each run in which the stage runs. */
  readonly notes?: readonly string[];
  /** Facts about the outputs, by port. */
  readonly facts?: Readonly<Record<string, Facts>>;
  /** Arithmetic that the stage will do, in GFLOP, for time forecasts. */
  readonly workGflop?: number;
  /** Sizes that set the pace of this work, such as width and batch; an overall factor of two matters little. */
  readonly workShape?: readonly number[];
  /** About the most memory that the stage's process holds on a processor, in bytes, if its kind can tell. */
  readonly memoryBytes?: number;
  /** The same for a batch of one image, the least that a smaller batch comes to, and what each further image adds. */
  readonly batchMemory?: Readonly<Record<"first" | "further", number>>;
  /** About how many bytes of disk the result takes, if its kind can tell. */
  readonly diskBytes?: number;
  /** A way to find out how fast this machine does such work, if no past run tells. */
  readonly probe?: Probe;
}

/** A little of a stage's work, the same for all stages with equal work. */
interface Probe {
  /** Module URL. Its default export is a `StageRun` that reports each of a few steps, and reads and writes nothing. */
  readonly entry: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Arithmetic of one step, in GFLOP. */
  readonly stepGflop: number;
}

/** Data that a kind takes from an npm package; its version and lock integrity enter the key. */
export interface NpmExternal {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
  /** True if the stage reads the package's files: they are fetched for it and its process may read their folder. */
  readonly files?: boolean;
}

/** A built-in kind. Its code lives in `entry`, so that planning does not load it. */
export interface BuiltinKind<
  P extends z.ZodObject = z.ZodObject,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> extends StageInterface<P, I, O> {
  readonly kind: string;
  /** Raised whenever the same params and inputs would give other bytes. */
  readonly version: number;
  /**
   * Raised in place of `version` where only the results of some params changed, so that all others keep their keys.
   * @param ports the inputs that are bound
   */
  readonly revision?: (params: z.output<P>, ports: readonly string[]) => number | undefined;
  /** `inline` for work of milliseconds, `command` for a program that params name; all else gets its own process. */
  readonly runs?: "inline" | "command";
  /** Module URL whose default export is the `StageRun`; for a `command` it checks what the program has written. */
  readonly entry: string;
  /** Module URL of code for browsers; `packages` has its bundle, with the given `definitions`, under `browser`. */
  readonly browser?: string;
  /**
   * Checks params and facts about the inputs, before anything runs. The facts of an input that does not exist yet also
   * say which `stage` makes it; of stages that make the same, the first.
   * @param own facts about the definitions in `params`, by param, from their own process; see `describeDefinition`
   * @param folder that paths in `params` start from; undefined while the stage runs
   */
  readonly check?: (
    params: z.output<P>,
    inputs: { readonly [K in keyof I]?: Facts },
    own?: Readonly<Record<string, Facts>>,
    folder?: string,
  ) => CheckResult;
  /** Params, or parts of them such as `ema.decay`, that hardly change how long the work takes. */
  readonly untimed?: readonly string[];
  /** Params that may be a user definition, with the sort of each; `""` stands for all of `with`. */
  readonly definitions?: Readonly<Record<string, Sort>>;
  readonly externals?: (params: z.output<P>) => readonly NpmExternal[];
  readonly downloads?: (params: z.output<P>) => readonly KnownDownload[];
  /** Ports in place of `inputs` and `outputs`, for kinds whose ports depend on params. */
  readonly portsFor?: (params: z.output<P>) => { readonly inputs: InputPorts; readonly outputs: OutputPorts };
  /** List ports whose items form pairs, one by one: equally many in both, and of the same children of a matrix. */
  readonly pairs?: readonly (readonly [keyof I & string, keyof I & string])[];
  /** For kinds that compute with tensors: finds the device that the params ask for. Called for stages that may run. */
  readonly device?: (params: z.output<P>, tryDevice: TryDevice, known?: KnownWork) => Promise<DeviceFinding>;
}

/** Defines a custom stage. Types of params, inputs and outputs follow from the definition. */
export function defineStage<
  P extends ParamsSchema,
  const I extends InputPorts,
  const O extends OutputPorts,
>(definition: StageDefinition<P, I, O>): StageDefinition<P, I, O> {
  return definition;
}

/** Defines a built-in kind; checks the types and forgets them, so that kinds of all shapes fit one registry. */
export function defineKind<
  P extends z.ZodObject,
  const I extends InputPorts,
  const O extends OutputPorts,
>(kind: BuiltinKind<P, I, O>): BuiltinKind<P, I, O> {
  return kind;
}

/** The type of a kind's `run`, for its entry module: `const run: RunOf<typeof trainKind> = …`. */
export type RunOf<K> = K extends BuiltinKind<infer P, infer I, infer O> ? StageRun<P, I, O> : never;

/** The context that a running stage of a kind gets. */
export type ContextOf<K> = Parameters<RunOf<K>>[0];
