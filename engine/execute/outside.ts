import { join } from "node:path";
import { externalPaths } from "../fingerprint/externals.ts";
import type { Stage } from "../pipeline.ts";
import { installFiles } from "../process/install.ts";
import { makeFolder } from "../store/files.ts";

/** What a stage's process may reach beyond the store, as its params say. */
export interface Outside {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  readonly hosts: readonly string[];
  /** Folders of npm packages, by name. */
  readonly packages: Readonly<Record<string, string>>;
}

export interface OutsideFolders {
  readonly pipeline: string;
  readonly downloads: string;
  /** Of this one run of the stage. */
  readonly scratch: string;
}

/** Whether a stage fetches files by itself. */
export function fetchesFiles(stage: Stage): boolean {
  return (stage.kind.downloads?.(stage.params) ?? []).length > 0;
}

/** Host and port of an address; Deno takes a host without a port for all of its ports. */
function hostOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "http:" ? "80" : "443")}`;
}

/**
 * Make ready what a stage reads from outside: packages are fetched, and the folder of downloads exists.
 * @returns what went wrong with a package, as a text
 */
export async function openOutside(
  stage: Stage,
  folders: OutsideFolders,
  onProgress: (message: string) => void,
): Promise<Outside | string> {
  const packages: Record<string, string> = {};
  for (const external of stage.kind.externals?.(stage.params) ?? []) {
    if (external.files !== true) continue;
    const place = join(folders.scratch, "packages", external.name);
    const installed = await installFiles(external, place, onProgress);
    if ("problem" in installed) return installed.problem;
    packages[external.name] = installed.folder;
  }
  const readable = [...Object.values(externalPaths(stage, folders.pipeline)), ...Object.values(packages)];
  const urls = (stage.kind.downloads?.(stage.params) ?? []).flatMap(({ urls }) => urls);
  if (urls.length === 0) return { readable, writable: [], hosts: [], packages };
  makeFolder(folders.downloads);
  return {
    readable: [...readable, folders.downloads],
    writable: [folders.downloads],
    hosts: [...new Set(urls.map(hostOf))],
    packages,
  };
}
