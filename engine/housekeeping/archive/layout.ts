/** Names of the entries of an archive of results, in their order: the header, all manifests, all objects. */
export const HEADER = "noiseline.json";

export function manifestEntry(resolvedKey: string): string {
  return `results/${resolvedKey}.json`;
}

export function objectEntry(sha256: string): string {
  return `objects/${sha256}`;
}

export type ArchiveEntry =
  | { readonly type: "header" }
  | { readonly type: "manifest"; readonly key: string }
  | { readonly type: "object"; readonly sha256: string };

/** What an entry of that name is; undefined for one that no archive of results has, such as a path that leads out. */
export function parseEntryName(name: string): ArchiveEntry | undefined {
  if (name === HEADER) return { type: "header" };
  const [, manifest] = /^results\/([0-9a-f]{64})\.json$/.exec(name) ?? [];
  if (manifest !== undefined) return { type: "manifest", key: manifest };
  const [, object] = /^objects\/([0-9a-f]{64})$/.exec(name) ?? [];
  return object === undefined ? undefined : { type: "object", sha256: object };
}
