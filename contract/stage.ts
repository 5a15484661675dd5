import type { z } from "zod";
import type { ArtifactType, WantedArtifact } from "../schemas/artifacts.ts";
import type { Sort } from "../schemas/definitions.ts";
import type { Resources } from "../schemas/pipeline_file.ts";
import type { FileEntry } from "../schemas/records.ts";
import type { Schema } from "../schemas/roles.ts";
import type { StagePermissions } from "../schemas/types.ts";

/** An input that a stage reads: one artifact, or with `list` several. */
export interface InputPort {
  /** One type, or any of several: the stage finds out which from the artifact. */
  readonly type: WantedArtifact;
  /** What it is for, as `stages NAME` shows it. */
  readonly description: string;
  /** Whether a pipeline may leave it out. */
  readonly optional?: boolean;
  /** Whether it takes several artifacts. */
  readonly list?: boolean;
}

/** An output that a stage writes. */
export interface OutputPort {
  /** What others may expect to find there. */
  readonly type: ArtifactType;
  /** What it holds, as `stages NAME` shows it. */
  readonly description: string;
}

/** Inputs by name. */
export type InputPorts = Readonly<Record<string, InputPort>>;
/** Outputs by name. */
export type OutputPorts = Readonly<Record<string, OutputPort>>;

/** What a device needs in the process of the stage that computes on it. Paths are absolute. */
export interface DeviceGrants {
  readonly read?: readonly string[];
  /** Folders of native libraries. Native code is not contained. */
  readonly ffi?: readonly string[];
  readonly env?: readonly string[];
}

/** What a stage computes on. The engine finds it before the stage starts, whose own process may not look around. */
export interface StageDevice {
  readonly name: string;
  /** Device, engine version and instruction-set class: what decides the rounding of the results. */
  readonly numerics: string;
  /** What the device is and, where it was chosen, why no better one. */
  readonly reason: string;
  /** Whether it computes on a real graphics card: `tensorflow-gpu`, or `webgpu` on an adapter that is no software. */
  readonly card: boolean;
  /** What the user should know of the choice, such as a card that is here and cannot be used. */
  readonly warning?: { readonly message: string; readonly fix?: string };
  /** Whether native code computes there, which no permission contains. */
  readonly native: boolean;
  /** Asked for once the stage's packages are installed. */
  readonly grants: () => Promise<DeviceGrants>;
}

/** A finished artifact, as a stage sees its input. Read-only. */
export interface InputArtifact {
  /** The type of the output that it came from. */
  readonly type: ArtifactType;
  /** SHA-256 of its list of files: the identity of its content. */
  readonly digest: string;
  /** Its files, sorted by path. */
  readonly files: readonly FileEntry[];
  /** Absolute path of one of its files. Throws on a name that it does not have. */
  path(name: string): string;
  /** One of its files as bytes. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** One of its files as text. */
  readText(name: string): Promise<string>;
}

/** An output under construction. It becomes an artifact only when the stage ends well. */
export interface OutputArtifact {
  /** Absolute path of the folder that becomes the artifact; a stage may also write there by itself. */
  readonly folder: string;
  /** Write a file, making folders as needed. `name` is relative, with `/`. */
  write(name: string, content: Uint8Array | string): Promise<void>;
}

/** State that a long stage saved earlier, so that it need not start again. */
export interface SavedState {
  /** As it was given to `save`. */
  readonly step: number;
  /** One of the files that were saved. */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** Saved states of one stage. All of them belong to the same identity params, inputs and numerics. */
export interface StageProgress {
  /** The newest whole state at or below the wanted extent. */
  latest(): Promise<SavedState | undefined>;
  /** Save a state. It counts only once it is complete on disk; a run keeps the newest two. */
  save(step: number, files: Readonly<Record<string, Uint8Array>>): Promise<void>;
  /** Whether so much time has passed since the last save, or without one since the stage began. */
  isDue(everySeconds: number): boolean;
}

/** How far a stage has come; shown to the user. */
export interface ProgressUpdate {
  /** Units that are done. */
  readonly done: number;
  /** Units in all. */
  readonly total: number;
  /** What is counted, in the singular: `step`, `image`. */
  readonly unit: string;
  /** Images that one unit stands for, where it is no image: a training step has a batch of them. */
  readonly images?: number;
  /** How it goes, such as `{ loss: 0.041 }`. Numbers, at most 16, are kept and drawn; the first, and texts, are shown. */
  readonly figures?: Readonly<Record<string, string | number>>;
}

/** A picture of what a stage would make by now. */
export interface StagePreview {
  /** Units of the stage's progress that are done. */
  readonly step: number;
  /** A PNG of at most 750,000 bytes. */
  readonly png: Uint8Array;
  /** What it took to make, which then does not count in the pace of the stage. */
  readonly seconds?: number;
}

/** What a stage is given on one input port. */
export type InputValue<P extends InputPort> = P extends { list: true } ? readonly InputArtifact[]
  : P extends { optional: true } ? InputArtifact | undefined
  : InputArtifact;

/** A Zod object, by what the types of others need of it. Zod's own type has no place in the public API. */
export interface ParamsSchema extends Schema<object> {
  /** The schema of each param. */
  readonly shape: Readonly<Record<string, Schema>>;
}

/** Which part of a stage's work a process does: every `of`-th batch from the one numbered `index` on. */
export interface Shard {
  /** From 0. */
  readonly index: number;
  /** How many shards there are. */
  readonly of: number;
}

/** A definition of the user's own, loaded in the process of a stage that computes with it. */
export interface OwnDefinition {
  /** What it is of. */
  readonly sort: Sort;
  /** Its file, as the pipeline writes it. */
  readonly uses: string;
  /** Digest of its modules. */
  readonly code: string;
  /** The default export, which the engine has looked at only from outside. */
  readonly definition: unknown;
}

/** All that a running stage may know. It gets no clock, no host facts and no randomness beyond its seed. */
export interface StageContext<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> {
  /** The params, as the schema gives them out. */
  readonly params: P["_zod"]["output"];
  /** The pipeline's seed for kinds marked `seeded`, else 0. */
  readonly seed: number;
  /** What the stage reads, by input port. */
  readonly inputs: { readonly [K in keyof I]: InputValue<I[K]> };
  /** What the stage writes, by output port. */
  readonly outputs: { readonly [K in keyof O]: OutputArtifact };
  /** States that were saved earlier, and a way to save more. */
  readonly progress: StageProgress;
  /** Set where only a part is to be computed, which goes to `part` and nothing to `outputs`; see `inParts`. */
  readonly shard: Shard & { readonly part: OutputArtifact } | undefined;
  /** What the shards of this stage have computed, in their order; none where it has none. */
  readonly parts: readonly InputArtifact[];
  /** What to compute on, for kinds that compute with tensors. */
  readonly device: { readonly name: string; readonly numerics: string } | undefined;
  /** Folders of the npm packages among the kind's `externals` whose files it reads, by name; see also the kind's `browser`. */
  readonly packages: Readonly<Record<string, string>>;
  /** SHA-256 of what it reads from outside, by param, as in its key: a file may have been changed since. */
  readonly externals: Readonly<Record<string, string>>;
  /** Of a built-in kind, definitions of the user's own: those that its params name, and those that its inputs were made with. */
  readonly definitions: readonly OwnDefinition[];
  /** Folder that keeps what the kind's `downloads` name, for all stages of the store; undefined where they name none. */
  readonly downloads: string | undefined;
  /** Aborted when the user asks to stop: save the state, then return `interrupted`. */
  readonly stop: AbortSignal;
  /** Say how far it is. */
  report(update: ProgressUpdate): void;
  /** Show what it would make by now. Kept with the run, 500 of a stage at most, and in no artifact. */
  preview(picture: StagePreview): void;
  /** Say something worth knowing. */
  note(message: string): void;
  /** Say something that the user should look at. */
  warn(message: string): void;
}

/** How a stage ended, where it did not simply complete. Throwing is for bugs; expected failures are returned. */
export type StageEnd =
  | { readonly status: "interrupted"; readonly step: number }
  | { readonly status: "failed"; readonly message: string; readonly fix?: string };

/** What a stage does. */
export type StageRun<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> = (context: StageContext<P, I, O>) => Promise<StageEnd | void>;

/** What the engine must know of a stage before it runs. */
export interface StageInterface<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> {
  /** What it does, in one line. */
  readonly summary: string;
  /** A strict Zod object. Roles are set with `extent`, `execution`, `externalFile` and `legacy`. */
  readonly params: P;
  /** What it reads. */
  readonly inputs: I;
  /** What it writes. */
  readonly outputs: O;
  /** Whether the result depends on the pipeline's seed. */
  readonly seeded?: boolean;
  /** What its process may do beyond that. */
  readonly permissions?: StagePermissions;
  /** Slots that it takes; a pipeline may say otherwise. */
  readonly resources?: Resources;
  /** Whether a pipeline may have it computed in shards: its code does so by `inParts`. */
  readonly shards?: boolean;
}

/** A stage of the user's own, the default export of the file that `uses` names. */
export interface StageDefinition<
  P extends ParamsSchema = ParamsSchema,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> extends StageInterface<P, I, O> {
  /** It computes with tensors: it gets the params `device` and `threads` of the built-in kinds, for `withDevice`. */
  readonly device?: boolean;
  /** What it does, in a process of its own. */
  readonly run: StageRun<P, I, O>;
}

/** What is known of an artifact before it exists, such as image size and count. Free-form; consumers check what they read. */
export type Facts = Readonly<Record<string, unknown>>;

/** A problem that a kind finds in its params or in what its inputs will be, before anything runs. */
export interface CheckProblem {
  /** An error where it does not say. */
  readonly severity?: "error" | "warning";
  /** The param it is about, as a path below `with`, or the input port. */
  readonly param?: readonly (string | number)[];
  readonly input?: string;
  readonly message: string;
  readonly got?: string;
  readonly wanted?: string;
  readonly fix?: string;
}

/** Why a device is of no use here, and what to do about it. */
export interface DeviceTrouble {
  readonly reason: string;
  readonly fix?: string;
  /** It may be over at any moment, so nobody should rely on it. */
  readonly passing?: boolean;
}

/** How to find out whether a device that seems to be available computes right. */
export interface DeviceTrial {
  /** The device with its versions and driver: what comes of the trial holds for these, on one machine. */
  readonly of: string;
  /** The module that computes, in a process of its own, and what it is given. */
  readonly program: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  /** What is wrong with the device, by what the program printed and said. */
  readonly judge: (printed: string, said: string) => DeviceTrouble | undefined;
}

/** Try a device, or tell what came of trying it before. */
export type TryDevice = (
  trial: DeviceTrial,
  options?: { readonly again?: boolean },
) => Promise<DeviceTrouble | undefined>;

/** The device of a stage, or why there is none; the problem is an error. */
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
  /** About the most memory that its process holds on a processor, in bytes, where its kind can tell. */
  readonly memoryBytes?: number;
  /** How to find out how fast this machine does such work, where no past run tells. */
  readonly probe?: Probe;
}

/** A little of the work of a stage, alike for all stages with equal work. */
export interface Probe {
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
  /** The stage reads the package's files: they are fetched for it and its process may read their folder. */
  readonly files?: boolean;
}

/** A file that a stage fetches. Its digest is in the key, the addresses are not. */
export interface DownloadExternal {
  /** Its name in the key. */
  readonly name: string;
  readonly sha256: string;
  /** Its size where that is known, else the most that such a file can have. No more is taken of an address. */
  readonly maxBytes: number;
  /**
   * Its addresses, http or https, in the order to try them. The stage's process may connect to these hosts alone. None
   * where the file lies at the path that the param `name` says: it must be the file of that digest.
   */
  readonly urls: readonly string[];
  /** Further hosts that the addresses may redirect to, by https. */
  readonly redirects?: readonly string[];
}

/** A kind that comes with the toolkit. Its code lives in `entry`, so that planning does not load it. */
export interface BuiltinKind<
  P extends z.ZodObject = z.ZodObject,
  I extends InputPorts = InputPorts,
  O extends OutputPorts = OutputPorts,
> extends StageInterface<P, I, O> {
  readonly kind: string;
  /** Raised whenever the same params and inputs would give other bytes. */
  readonly version: number;
  /** `inline` for work of milliseconds; everything else gets a process of its own. */
  readonly runs?: "inline";
  /** Module URL whose default export is the `StageRun`. */
  readonly entry: string;
  /** Module URL of code for browsers; `packages` has it as one file under `browser`, with `definitions` that it is given. */
  readonly browser?: string;
  /**
   * @param own what the process that loaded the definitions of `params` says of each, by the param; see `describeDefinition`
   * @param folder that paths in `params` start from; undefined while the stage runs
   */
  readonly check?: (
    params: z.output<P>,
    inputs: { readonly [K in keyof I]?: Facts },
    own?: Readonly<Record<string, Facts>>,
    folder?: string,
  ) => CheckResult;
  /** Params for which a definition of the user's own may stand, and of which sort; `""` is all of `with`. */
  readonly definitions?: Readonly<Record<string, Sort>>;
  readonly externals?: (params: z.output<P>) => readonly NpmExternal[];
  readonly downloads?: (params: z.output<P>) => readonly DownloadExternal[];
  /** List ports whose items belong together one by one: as many in both, and of the same children of a matrix. */
  readonly pairs?: readonly (readonly [keyof I & string, keyof I & string])[];
  /** For kinds that compute with tensors: find the device that the params ask for. Called for stages that may run. */
  readonly device?: (params: z.output<P>, tryDevice: TryDevice) => Promise<DeviceFinding>;
}

/** Define a custom stage. Types of params, inputs and outputs follow from the definition. */
export function defineStage<
  P extends ParamsSchema,
  const I extends InputPorts,
  const O extends OutputPorts,
>(definition: StageDefinition<P, I, O>): StageDefinition<P, I, O> {
  return definition;
}

/** Define a built-in kind; checks the types and forgets them, so that kinds of all shapes fit one registry. */
export function defineKind<
  P extends z.ZodObject,
  const I extends InputPorts,
  const O extends OutputPorts,
>(kind: BuiltinKind<P, I, O>): BuiltinKind<P, I, O> {
  return kind;
}

/** The `run` type that belongs to a kind, for its entry module: `const run: RunOf<typeof trainKind> = …`. */
export type RunOf<K> = K extends BuiltinKind<infer P, infer I, infer O> ? StageRun<P, I, O> : never;

/** What a running stage of a kind gets. */
export type ContextOf<K> = Parameters<RunOf<K>>[0];
