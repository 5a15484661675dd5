import type { BuiltinKind } from "../../contract/stage.ts";
import type { ParamDescription, ParamsOutcome } from "../../schemas/param_issue.ts";
import type { ParamRoles } from "../../schemas/roles.ts";

/** Lists what it builds on by name, and by version where the lock has several. */
interface LockedPackage {
  readonly dependencies?: readonly string[];
  readonly optionalDependencies?: readonly string[];
  readonly optionalPeers?: readonly string[];
  /** Of packages with native code: what it is built for. */
  readonly os?: readonly string[];
}

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

/** What the engine takes over of a built-in kind as it is. */
type Taken =
  | "summary"
  | "inputs"
  | "outputs"
  | "runs"
  | "entry"
  | "check"
  | "externals"
  | "downloads"
  | "pairs"
  | "device";

/** A kind as the engine sees it, built in or custom. */
export interface Kind
  extends Pick<BuiltinKind, Taken>, Required<Pick<BuiltinKind, "seeded" | "permissions" | "resources">> {
  /** `train`, or the path of a custom stage as the file names it. */
  readonly name: string;
  /** What enters the key for the code: kind and version of a built-in, the digest of a custom stage's modules. */
  readonly version: string;
  readonly custom: boolean;
  /** Of a custom stage: what its code digest was taken of. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Of a custom stage: what the names of modules stand for in its process. */
  readonly map?: () => ModuleMap;
  readonly roles: ParamRoles;
  /** Of a custom stage that was asked about without params to check: those that it takes. */
  readonly params?: readonly ParamDescription[];
  readonly validate: (raw: unknown) => ParamsOutcome;
}

/** The name of the param that says how far to go, if the kind has one. */
export function extentParam(kind: Kind): string | undefined {
  return Object.keys(kind.roles).find((name) => kind.roles[name]?.role === "extent");
}
