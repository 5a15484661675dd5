import { createHash } from "node:crypto";
import { artifactDigest } from "../../../../engine/keys/keys.ts";
import { openStore, type Store } from "../../../../engine/store/store.ts";
import type { FileEntry, ResultManifest } from "../../../../schemas/records.ts";
import { join } from "node:path";

/** Returns a made-up but valid key. */
export function key(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}

export function openFreshStore(folder: string): Store {
  const store = openStore(join(folder, ".noiseline"));
  const prepared = store.prepare();
  if (!prepared.ok) throw new Error(prepared.diagnostics[0]!.message);
  return store;
}

/** Puts a text into the store as an object. */
export async function takeText(store: Store, path: string, text: string): Promise<FileEntry> {
  const file = join(store.paths.tmp, crypto.randomUUID());
  Deno.writeTextFileSync(file, text);
  const { size, sha256 } = await store.objects.take(file, Deno.statSync(file).size);
  return { path, size, sha256 };
}

/** Returns a manifest with one output port `out` that contains the given files. */
export function manifestOf(
  name: string,
  files: readonly FileEntry[],
  more: Partial<ResultManifest> = {},
): ResultManifest {
  const outputs = { out: { type: "files" as const, digest: artifactDigest("files", files), files: [...files] } };
  return {
    format: 1,
    resolvedKey: key(`${name} resolved`),
    recipeKey: key(`${name} recipe`),
    identityKey: key(`${name} identity`),
    localKey: key(`${name} local`),
    extent: null,
    ingredients: { kind: "k", version: "k/1", seed: null, params: {}, externals: {}, inputs: {} },
    outputs,
    numerics: null,
    runId: "r",
    ...more,
  };
}
