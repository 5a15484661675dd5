import type { Sources } from "../../schemas/records.ts";
import type { Stage } from "./stage.ts";
import { statIfThere } from "../store/reading.ts";
import { externalPaths, type Externals, filesBelow } from "./externals.ts";

/** Size of a file, or of all files below a folder; undefined where there is nothing. */
export function sizeOf(path: string): number | undefined {
  const info = statIfThere(path);
  if (info?.isDirectory !== true) return info?.size;
  let sum = 0;
  for (const { facts } of filesBelow(path, "", new Set())) sum += facts.size;
  return sum;
}

/** What a stage is made of besides its ingredients. @param externals their digests by param */
export function sourcesOf(stage: Stage, folder: string, externals: Externals): Sources {
  const sources: Sources = { externals: {}, modules: { ...stage.kind.modules } };
  for (const [name, path] of Object.entries(externalPaths(stage, folder))) {
    const digest = externals[name];
    // What was removed since is not worth a failure.
    const sizeBytes = sizeOf(path);
    if (digest !== undefined && sizeBytes !== undefined) sources.externals[name] = { path, sizeBytes, digest };
  }
  return sources;
}
