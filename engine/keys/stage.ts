import { fileURLToPath } from "node:url";
import type { ArtifactType } from "../../schemas/artifacts.ts";
import type { Sort } from "../../schemas/definitions.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import type { BuiltinKind, CheckResult, Facts, OutputPorts, Shard, StageDevice } from "../../contract/stage.ts";
import type { ParamsOutcome } from "../../schemas/param_issue.ts";
import type { ParamRoles } from "../../schemas/roles.ts";

/** What it builds on by name, and by version where the lock has several; of native code the systems that it is for. */
type LockedPackage = Partial<
  Readonly<Record<"dependencies" | "optionalDependencies" | "optionalPeers" | "os", readonly string[]>>
>;

/** Deno's lock file, as far as it is about npm packages. */
export interface Lock {
  readonly version?: string;
  /** What is asked for, and the version that it comes to. */
  readonly specifiers?: Readonly<Record<string, string>>;
  /** By name and version. */
  readonly npm?: Readonly<Record<string, LockedPackage>>;
}

/** What names of modules stand for, where code from outside the toolkit runs. */
export interface ModuleMap {
  readonly imports: Readonly<Record<string, string>>;
  /** By the address of each module that has names of its own, as Deno resolved them. */
  readonly scopes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly lock: Lock;
}

/** A definition of the user's own that a stage is given. */
export interface OwnCode {
  /** The param that names it, `""` where it is all of them; null where something that the stage reads was made with it. */
  readonly param: string | null;
  readonly sort: Sort;
  /** Absolute path of its file. */
  readonly file: string;
  /** The path as the pipeline writes it. */
  readonly uses: string;
  readonly digest: string;
  /** What the digest was taken of: local modules by what they do, packages by their versions. */
  readonly modules: Readonly<Record<string, string>>;
  /** Its local modules, each with the SHA-256 of its bytes. */
  readonly files: readonly (readonly [file: string, content: string])[];
}

/** What of a built-in kind may be left out, and has a value in the engine. */
type Filled = "seeded" | "permissions" | "resources";

/** A kind as the engine sees it, built in or custom. */
export interface Kind
  extends Omit<BuiltinKind, "kind" | "version" | "params" | Filled>, Required<Pick<BuiltinKind, Filled>> {
  /** `train`, or the path of a custom stage as the file names it. */
  readonly name: string;
  /**
   * What enters the key for the code: kind and version of a built-in, and after a space each the digests of all definitions
   * that are loaded into its process, those of its params first; the digest of a custom stage's modules.
   */
  readonly version: string;
  readonly custom: boolean;
  /** Of a built-in kind: definitions that its stages are given. Stages with others are of another kind. */
  readonly own?: readonly OwnCode[];
  /** Of code of the user's own: what the digests in its version were taken of. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Of a custom stage: its local modules, as {@linkcode OwnCode} has them. */
  readonly files?: OwnCode["files"];
  /** Of code of the user's own: what the names of modules stand for in its process. */
  readonly map?: () => ModuleMap;
  readonly roles: ParamRoles;
  readonly validate: (raw: unknown) => ParamsOutcome & Pick<Stage, "facts">;
}

/** The code of the user's own that runs in the process of a kind's stages: a custom stage's, or that of definitions. */
export function codesOf({ custom, name, entry, version, modules = {}, files = [], own = [] }: Omit<Kind, "validate">) {
  if (!custom) return own;
  return [{ file: fileURLToPath(entry), uses: name, digest: version.replace("code:", ""), modules, files }];
}

/** Modules of code of the user's own, by places from the folder of the pipeline. */
export function modulesOf({ uses, modules }: Pick<OwnCode, "uses" | "modules">): Record<string, string> {
  const folder = uses.slice(0, uses.lastIndexOf("/") + 1).replace(/^\.\//, "");
  // Of a module there is a digest, of a package a version.
  const place = (name: string, value: string) => /^[0-9a-f]{64}$/.test(value) ? folder + name : name;
  return Object.fromEntries(Object.entries(modules).map(([name, value]) => [place(name, value), value]));
}

/** Whether there is any. */
export function isForeign({ custom, own = [] }: Pick<Kind, "custom" | "own">): boolean {
  return custom || own.length > 0;
}

/** The version of a built-in kind without definitions of the user's own. */
export function builtinVersion(version: string): string {
  return version.split(" ")[0]!;
}

/** The name of the param that says how far to go, if the kind has one. */
export function extentParam(kind: Kind): string | undefined {
  return Object.keys(kind.roles).find((name) => kind.roles[name]?.role === "extent");
}

/** One input of a stage, bound to an output of another. */
export interface Binding {
  readonly stage: string;
  readonly port: string;
  readonly type: ArtifactType;
}

/** A stage whose kind, params and inputs have been checked. */
export interface Stage extends Pick<CheckResult, "workShape" | "probe" | "notes" | "memoryBytes"> {
  /** `train`, or `train@2000` for the same stage at another extent. */
  readonly id: string;
  /** The entry of the file that it comes from: `train` for both. */
  readonly entry: string;
  readonly kind: Kind;
  readonly params: Readonly<Record<string, unknown>>;
  /** What is known of the definitions that its params name, by param. */
  readonly facts?: Readonly<Record<string, Facts>> | undefined;
  readonly extent: number | undefined;
  readonly inputs: Readonly<Record<string, readonly Binding[]>>;
  /** Stages that must be done before it, though it reads nothing of them. In no key. */
  readonly needs: readonly string[];
  /** Its shards, where it only joins what these have computed. In no key: the result is the same without. */
  readonly parts?: readonly string[];
  /** Of a shard: which part it computes of the stage `whole`, which needs it only while it has no result. */
  readonly shard?: Shard & { readonly whole: string };
  /** Root of its randomness: its own, or the pipeline's. */
  readonly seed: number;
  readonly resources: Resources;
  /** What the file says of resources, without what its kind does. */
  readonly declared: Resources;
  readonly timeoutMs: number | undefined;
  readonly retries: number;
  /** Arithmetic that the whole stage does, where its kind can tell. */
  readonly workGflop: number | undefined;
  /** The same for stages that differ in their extent alone, and read as much: they take the same time for each unit. */
  readonly likeness?: string | undefined;
}

/** Params of a stage that has so many processors: it computes with as many threads, where the file does not say how many. */
export function withThreads({ kind, params }: Pick<Stage, "kind" | "params">, cpus: number | undefined) {
  const open = kind.roles["threads"]?.role === "execution" && params["threads"] === undefined;
  // No slot is what a stage takes that hardly computes.
  return cpus === undefined || !open ? params : { ...params, threads: Math.max(1, cpus) };
}

/** How many graphics cards a stage wants. */
export function cardsOf({ gpu = 0 }: Resources): number {
  return gpu === "required" ? 1 : gpu;
}

/** The stages whose results a stage is given. */
export function readsOf({ inputs, parts = [] }: Pick<Stage, "inputs" | "parts">): string[] {
  return [...Object.values(inputs).flat().map(({ stage }) => stage), ...parts];
}

/** The stages that must be done before a stage can run. */
export function predecessorsOf(stage: Pick<Stage, "inputs" | "needs" | "parts">): string[] {
  return [...readsOf(stage), ...stage.needs];
}

const PART: OutputPorts = { part: { type: "files", description: "What a shard has computed" } };

/** What a stage writes: a shard its part alone. */
export function outputsOf({ kind, shard }: Pick<Stage, "kind" | "shard">): OutputPorts {
  return shard === undefined ? kind.outputs : PART;
}

/**
 * The stage that a shard is of, by their ids; undefined of other stages. No reference means such an id, and no child of a
 * matrix has one: there an axis is followed by `=`.
 */
export function wholeOf(id: string): string | undefined {
  return /^(.+)~\d+of\d+$/.exec(id)?.[1];
}

/** Entries by the ids of stages without those of shards, which are for people a part of what they are of. */
export function withoutShards<T>(entries: Iterable<readonly [string, T]>): [string, T][] {
  return Array.from(entries, ([id, value]): [string, T] => [id, value]).filter(([id]) => wholeOf(id) === undefined);
}

/** A stage as shards and what joins them. */
export function inShards(stage: Stage, of: number): readonly Stage[] {
  const shards = Array.from({ length: of }, (_, index): Stage => {
    return { ...stage, id: `${stage.id}~${index + 1}of${of}`, shard: { index, of, whole: stage.id } };
  });
  return [...shards, { ...stage, parts: shards.map(({ id }) => id) }];
}

/** What a stage takes while it runs, also of threads that compute together: each of them waits for the slowest. */
export interface WantedSlots extends Resources {
  readonly threads?: number;
}

/**
 * What a stage takes while it runs. One that joins parts computes nothing, so it needs no card.
 * @param device what it computes on, where it has one
 */
export function slotsOf(
  { kind, params, resources, parts }: Pick<Stage, "kind" | "params" | "resources" | "parts">,
  device?: Pick<StageDevice, "card">,
): WantedSlots {
  if (parts !== undefined) return { ...resources, gpu: 0 };
  const computes = kind.roles["threads"]?.role === "execution" && device?.card !== true;
  return computes ? { ...resources, threads: params["threads"] as number | undefined ?? Infinity } : resources;
}

/** Of stages that differ in extent alone, the id of the next shorter one: it runs first, and the longer continues it. */
export function shorterOf(stages: Iterable<Stage>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const withExtent = [...stages].filter(({ extent }) => extent !== undefined);
  // A shard continues the same part of a shorter stage.
  const line = ({ entry, shard }: Stage) => `${entry} ${shard?.index}`;
  for (const family of Map.groupBy(withExtent, line).values()) {
    family.sort((a, b) => a.extent! - b.extent!);
    for (let i = 1; i < family.length; i++) found.set(family[i]!.id, family[i - 1]!.id);
  }
  return found;
}
