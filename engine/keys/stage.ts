import { CURVE_PORT } from "../../schemas/log.ts";
import type { ArtifactType } from "../../schemas/artifacts.ts";
import type { Sort } from "../../schemas/definitions.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import type { BuiltinKind, CheckResult, Facts } from "../contract/stage.ts";
import type { ParamsOutcome } from "../../schemas/param_issue.ts";
import type { ParamRoles } from "../../schemas/roles.ts";

/**
 * The packages that a package depends on, by name, with the version if the lock has several; `os` lists the systems
 * that native code is made for.
 */
type LockedPackage = Partial<
  Readonly<Record<"dependencies" | "optionalDependencies" | "optionalPeers" | "os", readonly string[]>>
>;

/** The part of Deno's lock file that is about npm packages. */
export interface Lock {
  readonly version?: string;
  /** The versions that are asked for, each with the version that it resolves to. */
  readonly specifiers?: Readonly<Record<string, string>>;
  /** The packages by name and version. */
  readonly npm?: Readonly<Record<string, LockedPackage>>;
}

/** The meaning of module names in a process that runs user code. */
export interface ModuleMap {
  readonly imports: Readonly<Record<string, string>>;
  /** For modules that have names of their own: these names as Deno resolved them, by the module's address. */
  readonly scopes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly lock: Lock;
}

/** User code that runs in a stage's process: a custom stage, or a definition that the stage is given. */
export interface UserCode {
  /**
   * The param that names the file, `""` if that is all of `with`; null for a custom stage, and for a definition that
   * something which the stage reads was made with.
   */
  readonly param: string | null;
  readonly sort: Sort | "stage";
  /** The absolute path of its file. */
  readonly file: string;
  /** The path as the pipeline writes it. */
  readonly uses: string;
  readonly digest: string;
  /** The modules behind the digest: local modules by the digest of what they do, packages by their versions. */
  readonly modules: Readonly<Record<string, string>>;
  /** Its local modules, each with the SHA-256 of its bytes. */
  readonly files: readonly (readonly [file: string, content: string])[];
}

/** The properties that a built-in kind may leave out; the engine fills them in. */
type Filled = "seeded" | "permissions" | "resources";

/** A kind as the engine sees it, built in or custom. */
export interface Kind
  extends Omit<BuiltinKind, "kind" | "version" | "params" | Filled>, Required<Pick<BuiltinKind, Filled>> {
  /** `train`, or the path of a custom stage as the pipeline file names it. */
  readonly name: string;
  /**
   * Enters the key for the code. For a built-in kind: kind and version, and after a space each the digests of all
   * definitions that are loaded into its process, those of its params first. For a custom stage: the digest of its
   * modules.
   */
  readonly version: string;
  readonly custom: boolean;
  /**
   * The user code that `version` has the digests of: a custom stage's own, or the definitions that the stages of a
   * built-in kind are given. Stages with other definitions are of another kind.
   */
  readonly userCode: readonly UserCode[];
  /** For a program of the user's: the pipeline file that names it, by its absolute path and as messages name it. */
  readonly command?: { readonly file: string; readonly uses: string };
  /** With user code only: the meaning of module names in its process. */
  readonly map?: () => ModuleMap;
  readonly roles: ParamRoles;
  readonly validate: (raw: unknown) => ParamsOutcome & Pick<Stage, "facts">;
}

/** Returns the modules of user code, by their places relative to the pipeline's folder. */
export function modulesOf({ uses, modules }: Pick<UserCode, "uses" | "modules">): Record<string, string> {
  const folder = uses.slice(0, uses.lastIndexOf("/") + 1).replace(/^\.\//, "");
  // A module has a digest, a package a version.
  const place = (name: string, value: string) => /^[0-9a-f]{64}$/.test(value) ? folder + name : name;
  return Object.fromEntries(Object.entries(modules).map(([name, value]) => [place(name, value), value]));
}

/** Returns the modules of user code as records name them: those of a custom stage by their places beside its file. */
export function recordedModules({ custom, userCode }: Kind): Record<string, string> {
  return Object.assign({}, ...userCode.map((code) => custom ? code.modules : modulesOf(code)));
}

/** Returns the files to which a kind's rights are granted: those of user code, or the one that names a program. */
export function grantedFiles(
  { userCode, command }: Pick<Kind, "userCode" | "command">,
): (Pick<UserCode, "file"> & Partial<Pick<UserCode, "files">>)[] {
  return [...userCode, ...command === undefined ? [] : [command]];
}

/** Returns the version of a built-in kind without the digests of definitions. */
export function builtinVersion(version: string): string {
  return version.split(" ")[0]!;
}

/** Returns true if the stages of a kind run a program or a stage of the user's. */
export function isGuest({ custom, command }: Pick<Kind, "custom" | "command">): boolean {
  return custom || command !== undefined;
}

/**
 * Returns true if the engine keeps what the stages of a kind report as an output, `log`. What the process reports that
 * joins shards would depend on whether there are shards, which is in no key.
 */
export function hasCurve(kind: Pick<Kind, "custom" | "command" | "outputs" | "shards">): boolean {
  return isGuest(kind) && kind.shards !== true && !Object.hasOwn(kind.outputs, CURVE_PORT);
}

/** Returns the name of the param that says how far to go, if the kind has one. */
export function extentParam(kind: Pick<Kind, "roles">): string | undefined {
  return Object.keys(kind.roles).find((name) => kind.roles[name]?.role === "extent");
}

/** One input of a stage, bound to an output of another. */
export interface Binding {
  readonly stage: string;
  readonly port: string;
  readonly type: ArtifactType;
}

/**
 * A stage of a search that is one of the trials, chosen once the trials of the rung below are scored. Until
 * then it has the params of the first.
 */
export interface Slot {
  /** The stages that rank the rungs below, the lowest first. */
  readonly rankings: readonly string[];
  /** How many of each of these rungs go on. */
  readonly counts: readonly number[];
  /** The place, from 0, among those that go on from the last of these rungs, by their numbers. */
  readonly place: number;
  /** The stage of the file that has the search: trial 3 is `train~trial=3`. */
  readonly of: string;
  /** The extent that the trial has reached by then; 0 if the search has no rungs. */
  readonly from: number;
  /** The trial, once it is known, and where no pipeline has it, as the stage that it is. */
  readonly trial?: Pick<Stage, "id" | "params" | "facts" | "likeness" | "workShape" | "workGflop" | "extent">;
}

/** A stage whose kind, params and inputs have been checked. */
export interface Stage
  extends Pick<CheckResult, "workShape" | "probe" | "notes" | "memoryBytes" | "batchMemory" | "diskBytes"> {
  /** `train`, or `train@2000` for the same stage at another extent. */
  readonly id: string;
  /** The entry of the pipeline file that the stage comes from: `train` for both. */
  readonly entry: string;
  readonly kind: Kind;
  readonly params: Readonly<Record<string, unknown>>;
  /** Facts about the definitions that its params name, by param. */
  readonly facts?: Readonly<Record<string, Facts>> | undefined;
  readonly extent: number | undefined;
  readonly inputs: Readonly<Record<string, readonly Binding[]>>;
  /** Stages that must be done first, though this stage reads nothing from them. They enter no key. */
  readonly needs: readonly string[];
  readonly slot?: Slot;
  /** True for stages of a search that are computed for each trial. */
  readonly isTrial?: true;
  /** True if another stage reads its curve, so that a result without one does not serve. */
  readonly isCurveRead?: true;
  /** The number of shards that compute the stage, if several do. Not in the key: the result is the same without. */
  readonly shards?: number;
  /** The root of its randomness: the stage's own seed, or the pipeline's. */
  readonly seed: number;
  readonly resources: Resources;
  /** The resources that the file declares, without those of the kind. */
  readonly declared: Resources;
  readonly timeoutMs: number | undefined;
  readonly retries: number;
  /** The arithmetic that the whole stage does, in GFLOP, if its kind can tell. */
  readonly workGflop: number | undefined;
  /**
   * Equal for stages that differ in their extent and `untimed` params alone and read as much: these take the same time
   * for each unit of work.
   */
  readonly likeness?: string | undefined;
}

/** Returns a stage's params with `threads` set to its number of processors, unless the file sets `threads`. */
export function withThreads({ kind, params }: Pick<Stage, "kind" | "params">, cpus: number | undefined) {
  const open = kind.roles["threads"]?.role === "execution" && params["threads"] === undefined;
  // A stage that hardly computes takes 0 processors, but needs a thread.
  return cpus === undefined || !open ? params : { ...params, threads: Math.max(1, cpus) };
}

/** Returns the number of graphics cards that a stage wants. */
export function gpuCount({ gpu = 0 }: Resources): number {
  return gpu === "required" ? 1 : gpu;
}

/** Returns the ids of the stages whose results a stage is given, or that decide what it is. */
export function readsOf({ inputs, slot }: Pick<Stage, "inputs" | "slot">): string[] {
  return [...Object.values(inputs).flat().map(({ stage }) => stage), ...slot?.rankings ?? []];
}

/** Returns the ids of the stages that must be done before a stage can run. */
export function predecessorsOf(stage: Pick<Stage, "inputs" | "needs" | "slot">): string[] {
  return [...readsOf(stage), ...stage.needs];
}
