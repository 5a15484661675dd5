import { isAbsolute, join, resolve } from "node:path";
import type { Diagnostic } from "../diagnostic/diagnostic.ts";
import type { Pipeline, Stage } from "../pipeline.ts";
import type { DigestCache } from "../store/digest_cache.ts";
import { listFiles, statIfThere } from "../store/files.ts";
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

/** Digest of a file, or of a folder's whole content. */
function contentDigest(path: string, digests: DigestCache): string {
  if (statIfThere(path)?.isDirectory !== true) return digests.digest(path);
  const files = listFiles(path).files.map((name) => {
    const full = join(path, name);
    return { path: name, size: Deno.statSync(full).size, sha256: digests.digest(full) };
  });
  return artifactDigest("files", files);
}

/** Take the content digests of everything that the stages read from outside. What cannot be read is reported. */
export function digestExternals(
  pipeline: Pipeline,
  digests: DigestCache,
): { externals: ReadonlyMap<string, Externals>; problems: Diagnostic[] } {
  const externals = new Map<string, Externals>();
  const problems: Diagnostic[] = [];
  for (const stage of pipeline.stages.values()) {
    const own: Record<string, string> = {};
    for (const { name, version, integrity } of stage.kind.externals?.(stage.params) ?? []) {
      own[`npm:${name}@${version}`] = integrity;
    }
    for (const [name, path] of Object.entries(externalPaths(stage, pipeline.folder))) {
      try {
        own[name] = contentDigest(path, digests);
      } catch (error) {
        const at = ["stages", stage.entry, "with", name];
        const span = pipeline.origins.locate(at);
        problems.push({
          severity: "error",
          code: "external",
          message: `stage "${stage.id}": cannot read ${name}: ${(error as Error).message}`,
          path: at.join("."),
          got: path,
          fix: "correct the path; it is relative to the pipeline file",
          ...(span === undefined ? {} : { span }),
        });
      }
    }
    externals.set(stage.id, own);
  }
  return { externals, problems };
}
