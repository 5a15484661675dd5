import { statSync } from "node:fs";
import type { DatasetParams } from "./params.ts";
import type { DownloadExternal } from "../../contract/stage.ts";
import { CIFAR_ARCHIVE, CIFAR_HOMES } from "./cifar_facts.ts";
import { IDX_SETS, isIdxSource } from "./idx/facts.ts";
import type { PublishedFile } from "./published.ts";

/** Of files that a user names by their digest; the published ones have less than 200 MB unpacked. */
const MAX_OWN_BYTES = 256 << 20;

/** Whether the params say anything about fetching. */
function namesAddresses({ url, mirrors, sha256 }: DatasetParams): boolean {
  return url !== undefined || mirrors !== undefined || sha256 !== undefined;
}

/** The address of a file in a folder, which need not end in a slash. */
function fileAt(folder: string, name: string): string {
  return `${folder.replace(/\/+$/, "")}/${name}`;
}

/** What a dataset stage fetches: nothing where its files lie at a path or come from a package. */
export function downloadsOf(params: DatasetParams): DownloadExternal[] {
  const { source, path, url, mirrors = [], sha256 } = params;
  if (path !== undefined) return [];
  if (source === "cifar10") {
    const homes = CIFAR_HOMES.map((home) => fileAt(home, CIFAR_ARCHIVE.name));
    const urls = [...url === undefined ? homes : [url], ...mirrors];
    // Named like the param whose content it stands in for: the archive is the same data, however it came.
    const own = typeof sha256 === "string" ? sha256 : undefined;
    return [{ name: "path", urls, ...digestAndSize(CIFAR_ARCHIVE, own) }];
  }
  if (!isIdxSource(source)) return [];
  const { files, homes } = IDX_SETS[source];
  const folders = [...url === undefined ? homes : [url], ...mirrors];
  return files.map((file) => ({
    name: `path/${file.name}`,
    urls: folders.map((folder) => fileAt(folder, file.name)),
    ...digestAndSize(file, typeof sha256 === "object" ? sha256[file.name] : undefined),
  }));
}

function digestAndSize({ sha256, bytes }: PublishedFile, own = sha256): Pick<DownloadExternal, "sha256" | "maxBytes"> {
  return { sha256: own, maxBytes: own === sha256 ? bytes : MAX_OWN_BYTES };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The folder of an installed package, where the params leave it open where the data comes from. */
export function locateDataset(params: DatasetParams, exists = isFolder): { path?: string } {
  const { source, path } = params;
  if (path !== undefined || !isIdxSource(source) || namesAddresses(params)) return {};
  const { installed } = IDX_SETS[source];
  return installed !== undefined && exists(installed) ? { path: installed } : {};
}
