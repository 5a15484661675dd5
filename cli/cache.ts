import { Option } from "@commander-js/extra-typings";
import type { Diagnostic, SharedCache } from "noiseline/engine";
import { importLate } from "noiseline/core";
import { refuseWith } from "./io.ts";

export const CACHE_OPTION = new Option(
  "--cache <place>",
  "shared cache: a folder or s3://bucket/prefix (default: NOISELINE_CACHE)",
);
export const CACHE_MODE_OPTION = new Option(
  "--cache-mode <mode>",
  "read-write, read or off (default: NOISELINE_CACHE_MODE, else read-write)",
);

export interface CacheArguments {
  readonly cache?: string | undefined;
  readonly cacheMode?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface CacheHandling {
  readonly warn: (diagnostic: Diagnostic) => void;
  readonly stop?: AbortSignal;
}

const MODES = ["read-write", "read", "off"] as const;

/** Whether there is anything to say or to ask of a shared cache: then a plan that knows of none is not enough. */
export function namesCache({ cache, cacheMode }: CacheArguments): boolean {
  const names = [cache, cacheMode, Deno.env.get("NOISELINE_CACHE"), Deno.env.get("NOISELINE_CACHE_MODE")];
  return names.some((name) => name !== undefined && name !== "");
}

/** Open the shared cache that the options or the environment name, or say what is wrong and end with exit code 2. */
export async function openCacheFor(
  { cache, cacheMode, json = false }: CacheArguments,
  { warn, stop = new AbortController().signal }: CacheHandling,
): Promise<SharedCache | undefined> {
  const place = cache ?? (Deno.env.get("NOISELINE_CACHE") || undefined);
  const wanted = cacheMode ?? (Deno.env.get("NOISELINE_CACHE_MODE") || "read-write");
  const mode = MODES.find((one) => one === wanted);
  if (mode === undefined) {
    const origin = cacheMode === undefined ? "NOISELINE_CACHE_MODE" : "--cache-mode";
    refuseWith([{
      severity: "error",
      code: "cache",
      message: `Cannot use the shared cache: ${origin} is not a mode`,
      got: wanted,
      wanted: MODES.join(", "),
      fix: "use one of these",
    }], json);
  }
  if (place === undefined || mode === "off") return undefined;
  const { openSharedCache } = await importLate<typeof import("noiseline/engine")>("noiseline/engine");
  const opened = await openSharedCache(place, { mode, workingFolder: Deno.cwd(), warn, stop });
  if (!opened.ok) refuseWith(opened.diagnostics, json);
  return opened.value;
}
