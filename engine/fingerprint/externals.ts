import { createHash } from "node:crypto";
import { isAbsolute, join, resolve } from "node:path";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
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
export function contentDigest(path: string, digests: DigestCache): string {
  const info = Deno.statSync(path);
  // A pipe or a device may have no end.
  if (!info.isDirectory && !info.isFile) throw new Error("it is no regular file and no folder");
  if (info.isFile) return digests.digest(path);
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
    for (const { name, path, message } of own.unreadable) {
      const at = ["stages", stage.entry, "with", name];
      const span = pipeline.origins.locate(at);
      problems.push({
        severity: "error",
        code: "external",
        message: `stage "${stage.id}": cannot read ${name}: ${message}`,
        path: at.join("."),
        got: path,
        fix: "correct the path; it is relative to the pipeline file",
        ...(span === undefined ? {} : { span }),
      });
    }
  }
  return { externals, problems };
}
