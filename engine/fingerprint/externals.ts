import { createHash } from "node:crypto";
import { isAbsolute, join, resolve } from "node:path";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Origins } from "../load/origin.ts";
import type { Pipeline, Stage } from "../pipeline.ts";
import type { DigestCache, FolderFile } from "../store/digest_cache.ts";
import { factsOf } from "../store/facts.ts";
import { artifactDigest } from "./keys.ts";

/** Contents of what a stage reads from outside the pipeline, by a name that does not depend on where it lies. */
export type Externals = Readonly<Record<string, string>>;

/** The paths that a stage reads from outside, by param. */
export function externalPaths(stage: Stage, folder: string): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const [name, meta] of Object.entries(stage.kind.roles)) {
    const value = stage.params[name];
    if (meta.role !== "external" || typeof value !== "string") continue;
    paths[name] = isAbsolute(value) ? value : resolve(folder, value);
  }
  return paths;
}

/** Files below a folder, through links, since a stage reads through them too. A link back up is not followed. */
export function* filesBelow(folder: string, prefix: string, above: ReadonlySet<string>): Generator<FolderFile> {
  const real = Deno.realPathSync(folder);
  if (above.has(real)) return;
  for (const { name } of Deno.readDirSync(folder)) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const full = `${folder}/${name}`;
    const info = Deno.statSync(full);
    if (info.isDirectory) yield* filesBelow(full, path, new Set([...above, real]));
    else if (info.isFile) yield { path, facts: factsOf(info) };
  }
}

/** Digest of a file, or of a folder's whole content. */
function contentDigest(path: string, digests: DigestCache): string {
  if (!Deno.statSync(path).isDirectory) return digests.digest(path);
  const files = [...filesBelow(path, "", new Set())];
  return digests.folderDigest(path, files, () =>
    artifactDigest(
      "files",
      files.map((file) => ({
        path: file.path,
        size: file.facts.size,
        sha256: digests.digest(join(path, file.path), file.facts),
      })),
    ));
}

/** A file or folder that could not be read. */
export interface UnreadableExternal {
  readonly name: string;
  readonly path: string;
  readonly message: string;
}

/** Digests of all that one stage reads from outside: packages, files, and environment variables that it declares. */
export function digestStageExternals(
  stage: Stage,
  folder: string,
  digests: DigestCache,
): { externals: Externals; unreadable: UnreadableExternal[] } {
  const externals: Record<string, string> = {};
  const unreadable: UnreadableExternal[] = [];
  for (const { name, version, integrity } of stage.kind.externals?.(stage.params) ?? []) {
    externals[`npm:${name}@${version}`] = integrity;
  }
  for (const { name, sha256 } of stage.kind.downloads?.(stage.params) ?? []) externals[name] = sha256;
  for (const name of stage.kind.permissions.env ?? []) {
    const value = Deno.env.get(name);
    // By digest, since variables may hold secrets and keys are kept in clear.
    externals[`env:${name}`] = value === undefined ? "unset" : createHash("sha256").update(value).digest("hex");
  }
  for (const [name, path] of Object.entries(externalPaths(stage, folder))) {
    try {
      externals[name] = contentDigest(path, digests);
    } catch (error) {
      unreadable.push({ name, path, message: (error as Error).message });
    }
  }
  return { externals, unreadable };
}

/** What the stages of a pipeline read from outside, by id of the stage. */
export interface Outside {
  readonly externals: ReadonlyMap<string, Externals>;
  readonly problems: readonly Diagnostic[];
}

/** Take the content digests of everything that the stages read from outside. What cannot be read is reported. */
export function digestExternals(pipeline: Pipeline, digests: DigestCache): Outside {
  const externals = new Map<string, Externals>();
  const problems: Diagnostic[] = [];
  for (const stage of pipeline.stages.values()) {
    const own = digestStageExternals(stage, pipeline.folder, digests);
    externals.set(stage.id, own.externals);
    problems.push(...own.unreadable.map((one) => placeUnreadable(stage, one, pipeline.origins)));
  }
  return { externals, problems };
}

function placeUnreadable(stage: Stage, { name, path, message }: UnreadableExternal, origins: Origins): Diagnostic {
  const at = ["stages", stage.entry, "with", name];
  const span = origins.locate(at);
  return {
    severity: "error",
    code: "external",
    message: `stage "${stage.id}": cannot read ${name}: ${message}`,
    path: at.join("."),
    got: path,
    fix: "correct the path; it is relative to the pipeline file",
    ...(span === undefined ? {} : { span }),
  };
}

/** Files that a stage is to read and that are not there, without a look into those that are. */
export function missingExternals(stage: Stage, folder: string, origins: Origins): Diagnostic[] {
  return Object.entries(externalPaths(stage, folder)).flatMap(([name, path]) => {
    try {
      Deno.statSync(path);
      return [];
    } catch (error) {
      return [placeUnreadable(stage, { name, path, message: (error as Error).message }, origins)];
    }
  });
}
