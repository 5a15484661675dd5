import { errorOf, refuse, succeed } from "../../diagnostic/diagnostic.ts";
import type { ClientOptions } from "./client.ts";
import { parseCacheLocation } from "./location.ts";
import type { CacheMode } from "./shared_cache.ts";

interface OpenCacheOptions extends Pick<ClientOptions, "warn" | "stop"> {
  readonly mode: CacheMode;
  /** The folder that relative places are resolved against. */
  readonly workingFolder: string;
}

/**
 * Opens a shared cache: a folder, or `s3://bucket/prefix`. Nothing is requested from it yet. The cache's code is loaded
 * here and not with this module, so that a run without a cache does not pay for it.
 */
export async function openSharedCache(place: string, { mode, workingFolder, warn, stop }: OpenCacheOptions) {
  const location = parseCacheLocation(place, workingFolder);
  if (!location.ok) return location;
  const { SharedCache } = await import("./shared_cache.ts");
  const options = { name: place, warn, stop };
  if (location.value.kind === "folder") {
    const { FolderBackend } = await import("./folder_backend.ts");
    return succeed(new SharedCache(new FolderBackend(location.value.folder), mode, options));
  }
  const { readS3Settings } = await import("./s3_settings.ts");
  const settings = readS3Settings(location.value);
  if ("trouble" in settings) {
    const { message, fix } = settings.trouble;
    return refuse([errorOf("cache", `Cannot use the shared cache: ${message}`, fix, { got: place })]);
  }
  const { S3Backend } = await import("./s3_backend.ts");
  return succeed(new SharedCache(new S3Backend(settings, location.value.prefix), mode, options));
}
