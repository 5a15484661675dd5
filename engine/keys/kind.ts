import type { ParamDescription } from "../../schemas/describe_params.ts";
import type { ParamRoles } from "../../schemas/roles.ts";
import type { Resources } from "../../schemas/pipeline_file.ts";
import type {
  CheckResult,
  DeviceFinding,
  DownloadExternal,
  Facts,
  InputPort,
  NpmExternal,
  OutputPort,
  StagePermissions,
} from "../../contract/stage.ts";

/** A Zod issue as plain data, so that it can come from another process too. */
export interface ParamIssue {
  readonly code: string;
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly input?: unknown;
  /** Keys that the schema does not have, for `unrecognized_keys`. */
  readonly keys?: readonly string[];
  /** Keys that the schema has at that place, for `unrecognized_keys`. */
  readonly known?: readonly string[];
  /** Values that would do, for `invalid_value`. */
  readonly values?: readonly string[];
}

export type ParamsOutcome =
  | { readonly ok: true; readonly params: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly issues: readonly ParamIssue[] };

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

/** A kind as the engine sees it, built in or custom. */
export interface Kind {
  /** `train`, or the path of a custom stage as the file names it. */
  readonly name: string;
  /** What enters the key for the code: kind and version of a built-in, the digest of a custom stage's modules. */
  readonly version: string;
  readonly custom: boolean;
  readonly summary: string;
  readonly inputs: Readonly<Record<string, InputPort>>;
  readonly outputs: Readonly<Record<string, OutputPort>>;
  readonly seeded: boolean;
  readonly permissions: StagePermissions;
  readonly resources: Resources;
  readonly runs: "inline" | "process";
  /** Module URL; its default export is the run function, or a definition that has it. */
  readonly entry: string;
  /** Of a custom stage: what its code digest was taken of. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Of a custom stage: what the names of modules stand for in its process. */
  readonly map?: () => ModuleMap;
  readonly roles: ParamRoles;
  /** Of a custom stage that was asked about without params to check: those that it takes. */
  readonly params?: readonly ParamDescription[];
  readonly validate: (raw: unknown) => ParamsOutcome;
  readonly check?: (
    params: Readonly<Record<string, unknown>>,
    inputs: Readonly<Record<string, Facts | undefined>>,
  ) => CheckResult;
  readonly externals?: (params: Readonly<Record<string, unknown>>) => readonly NpmExternal[];
  readonly downloads?: (params: Readonly<Record<string, unknown>>) => readonly DownloadExternal[];
  readonly pairs?: readonly (readonly [string, string])[];
  readonly device?: (params: Readonly<Record<string, unknown>>) => Promise<DeviceFinding>;
}

/** The name of the param that says how far to go, if the kind has one. */
export function extentParam(kind: Kind): string | undefined {
  return Object.keys(kind.roles).find((name) => kind.roles[name]?.role === "extent");
}
