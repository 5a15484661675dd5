import { isAbsolute, join, resolve } from "node:path";
import type { Sources } from "../../schemas/records.ts";
import type { FoundCommand } from "../../schemas/command.ts";
import { mapFiles } from "../../schemas/roles.ts";
import { suggestPath } from "../../std/near_path.ts";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import { diagnosticAt, type DocumentPath, type Origins } from "../diagnostic/document.ts";
import { recordedModules, type Stage } from "./stage.ts";
import { factsOf, hashFile, readIfThere, sha256Of, statIfThere } from "../store/reading.ts";
import { placeOf, reasonOf } from "../store/io_errors.ts";
import { artifactDigest } from "./keys.ts";
import { digestPython } from "./python_syntax.ts";
import type { Digests, FolderFile } from "../store/digests.ts";

/** Digests of what a stage reads from outside the pipeline, by names that do not depend on where the content lies. */
export type Externals = Readonly<Record<string, string>>;

/** A file or folder outside the pipeline that a param of a stage names. */
interface External {
  /** The param, with the place within it if it holds several paths: `data`, `data[0]`, `data["train"]`. */
  readonly name: string;
  readonly at: DocumentPath;
  readonly path: string;
  /** The path as it is written in the pipeline file. */
  readonly written: string;
}

/** Returns the name of the external at a place in a param. */
export function externalName(param: string, at: readonly (string | number)[]): string {
  return param + at.map((part) => `[${JSON.stringify(part)}]`).join("");
}

function externalsOf({ kind, params }: Pick<Stage, "kind" | "params">, folder: string): External[] {
  const found: External[] = [];
  for (const [param, meta] of Object.entries(kind.roles)) {
    mapFiles(params[param], meta, (path, at) => {
      const full = isAbsolute(path) ? path : resolve(folder, path);
      found.push({ name: externalName(param, at), at: [param, ...at], path: full, written: path });
    });
  }
  return found;
}

/** Returns the paths that a stage reads from outside, by param, or by the place within the param. */
export function externalPaths(stage: Pick<Stage, "kind" | "params">, folder: string): Record<string, string> {
  return Object.fromEntries(externalsOf(stage, folder).map(({ name, path }) => [name, path]));
}

/** Returns the place in its params that names an external; undefined for one that no param names, such as a package. */
export function externalPlace(stage: Pick<Stage, "kind" | "params">, name: string): DocumentPath | undefined {
  return externalsOf(stage, "").find((one) => one.name === name)?.at;
}

/**
 * Returns the params of a stage with other paths in place of its own.
 * @param paths as {@linkcode externalPaths} returns them
 */
export function withPaths({ kind, params }: Pick<Stage, "kind" | "params">, paths: Readonly<Record<string, string>>) {
  const changed = Object.entries(params).map(([param, value]) => {
    const meta = Object.hasOwn(kind.roles, param) ? kind.roles[param]! : {};
    return [param, mapFiles(value, meta, (path, at) => paths[externalName(param, at)] ?? path)];
  });
  return Object.fromEntries(changed);
}

/**
 * Yields a file, with an empty path, or the files below a folder. Links are followed, since a stage follows them too,
 * except for a link back up.
 */
export function* filesAt(place: string, path = "", above: ReadonlySet<string> = new Set()): Generator<FolderFile> {
  const info = Deno.statSync(place);
  if (info.isFile) yield { path, facts: factsOf(info) };
  const real = info.isDirectory ? Deno.realPathSync(place) : undefined;
  if (real === undefined || above.has(real)) return;
  const within = new Set([...above, real]);
  for (const { name } of Deno.readDirSync(place)) {
    yield* filesAt(`${place}/${name}`, path === "" ? name : `${path}/${name}`, within);
  }
}

/**
 * The size, in bytes, below which a file of a folder is hashed again once anything in the folder has changed: reading
 * a remembered line for each of very many files would cost every command more time and memory than that.
 */
const SMALL_FILE = 1 << 20;

/** Returns the digest of a file, or of a folder's whole content. */
export function contentDigest(path: string, digests: Digests): string {
  const info = Deno.statSync(path);
  // A pipe or a device may have no end.
  if (!info.isDirectory && !info.isFile) throw new Error("it is neither a regular file nor a folder");
  if (info.isFile) return digests.digest(path);
  const entryOf = ({ path: name, facts }: FolderFile) => {
    const file = join(path, name);
    const sha256 = facts.size < SMALL_FILE ? hashFile(file) : digests.digest(file, facts);
    return { path: name, size: facts.size, sha256 };
  };
  const compute = () => artifactDigest("files", Array.from(filesAt(path), entryOf));
  return digests.rememberedDigest(path, () => filesAt(path), compute);
}

/** Digests of Python programs by the digests of their bytes. */
const programs = new Map<string, ReturnType<typeof digestPython>>();

/**
 * Digests a file by its syntax if it is a Python program whose comments and layout change nothing.
 * @param sha256 of its bytes
 */
export function syntaxDigest(path: string, sha256: string): ReturnType<typeof digestPython> {
  if (!path.endsWith(".py")) return undefined;
  return programs.getOrInsertComputed(sha256, () => {
    const bytes = readIfThere(path);
    // The file may have changed since it was hashed.
    return bytes !== undefined && sha256Of(bytes) === sha256 ? digestPython(bytes) : undefined;
  });
}

/**
 * Returns digests in which the sources of a Python program count by their syntax, unless one of them may read the text
 * of others; undefined if all count by their bytes.
 */
function bySyntax({ kind, params }: Stage, paths: Externals, byBytes: Externals) {
  const { run = [], interpreter = "" } = params as Partial<FoundCommand>;
  if (kind.command === undefined || interpreter.startsWith("sha256:") || run.includes("-c")) return undefined;
  const sources = Object.entries(paths).filter(([name]) => name.startsWith("sources[") && Object.hasOwn(byBytes, name));
  const found = sources.map(([name, path]) => [name, syntaxDigest(path, byBytes[name]!)] as const);
  const counted = found.flatMap(([name, syntax]) => syntax === undefined ? [] : [[name, syntax.digest] as const]);
  if (counted.length === 0 || found.some(([, syntax]) => syntax?.isReader)) return undefined;
  return { ...byBytes, ...Object.fromEntries(counted) };
}

/** The folder of a pipeline, and the places where its values are written. */
interface Home {
  readonly folder: string;
  readonly origins: Origins;
}

/**
 * Digests everything that one stage reads from outside: packages, files, and environment variables that its kind
 * declares.
 * @returns also, by name, a problem for each file or folder that cannot be read or is not the expected one; and
 * `byBytes`: the digests as they were when all sources counted by their bytes, if any does not now
 */
export function digestStageExternals(stage: Stage, { folder, origins }: Home, digests: Digests) {
  const externals: Record<string, string> = Object.create(null);
  const problems = new Map<string, Diagnostic>();
  for (const { name, version, integrity } of stage.kind.externals?.(stage.params) ?? []) {
    externals[`npm:${name}@${version}`] = integrity;
  }
  for (const { name, sha256 } of stage.kind.downloads?.(stage.params) ?? []) externals[name] = sha256;
  for (const name of stage.kind.permissions.env ?? []) {
    const value = Deno.env.get(name);
    // As a digest, since variables may hold secrets and keys are stored in clear.
    externals[`env:${name}`] = value === undefined ? "unset" : sha256Of(value);
  }
  for (const one of externalsOf(stage, folder)) {
    try {
      const wanted = externals[one.name];
      const got = contentDigest(one.path, digests);
      externals[one.name] = got;
      if (wanted === undefined || got === wanted) continue;
      const message = `stage "${stage.id}": ${one.name} is not the expected file`;
      const fix = "fetch the file again, name the right one, or set sha256 to the file you mean";
      const details = { code: "external", got: `SHA-256 ${got}`, wanted: `SHA-256 ${wanted}` } as const;
      problems.set(one.name, diagnosticAt(origins, ["stages", stage.entry, "with", ...one.at], message, fix, details));
    } catch (error) {
      problems.set(one.name, cannotRead(stage, one, error, origins));
    }
  }
  const counted = bySyntax(stage, externalPaths(stage, folder), externals);
  return { externals: counted ?? externals, byBytes: counted && externals, problems };
}

/** Digests of what the stages of a pipeline read from outside, by stage id, and the problems with reading it. */
export type DigestedExternals = Readonly<ReturnType<typeof digestExternals>>;

/** Digests everything that the stages read from outside. Files that cannot be read are reported. */
export function digestExternals(
  { stages, ...home }: Home & { readonly stages: ReadonlyMap<string, Stage> },
  digests: Digests,
) {
  const externals = new Map<string, Externals>();
  const byBytes = new Map<string, Externals>();
  const problems: Diagnostic[] = [];
  for (const stage of stages.values()) {
    const own = digestStageExternals(stage, home, digests);
    externals.set(stage.id, own.externals);
    if (own.byBytes !== undefined) byBytes.set(stage.id, own.byBytes);
    problems.push(...own.problems.values());
  }
  return { externals, byBytes, problems };
}

function cannotRead(stage: Stage, { name, at, path, written }: External, error: unknown, origins: Origins): Diagnostic {
  const message = `stage "${stage.id}": cannot read ${name}: ${reasonOf(error)}`;
  const got = placeOf(error) ?? path;
  const base = isAbsolute(written) ? "" : "; it is relative to the pipeline file";
  // The system's names that are not UTF-8 cannot be handed back to it.
  const fix = got.includes("\ufffd")
    ? "rename the file: its name is not UTF-8"
    : suggestPath(path, written) ?? `correct the path${base}`;
  return diagnosticAt(origins, ["stages", stage.entry, "with", ...at], message, fix, { code: "external", got });
}

/** Returns a problem for each missing file that a stage is to read, without reading the files that exist. */
export function missingExternals(stage: Stage, folder: string, origins: Origins): Diagnostic[] {
  return externalsOf(stage, folder).flatMap((one) => {
    try {
      Deno.statSync(one.path);
      return [];
    } catch (error) {
      return [cannotRead(stage, one, error, origins)];
    }
  });
}

/** Returns the size in bytes of a file, or of all files below a folder; undefined if nothing is there. */
export function sizeOf(path: string): number | undefined {
  return statIfThere(path) && filesAt(path).reduce((sum, { facts }) => sum + facts.size, 0);
}

/**
 * Returns the external files and the code modules that a stage is made from, for the record of a run. Most stages have
 * none, and records of thousands of stages need not say so for each.
 * @param externals digests of the external files, by param
 */
export function sourcesOf(stage: Stage, folder: string, externals: Externals): { sources?: Sources } {
  const sources: Sources = { externals: {}, modules: recordedModules(stage.kind) };
  for (const [name, path] of Object.entries(externalPaths(stage, folder))) {
    const digest = externals[name];
    // A file that has been removed since is not worth a failure.
    const sizeBytes = sizeOf(path);
    if (digest !== undefined && sizeBytes !== undefined) sources.externals[name] = { path, sizeBytes, digest };
  }
  return Object.values(sources).some((one) => Object.keys(one).length > 0) ? { sources } : {};
}
