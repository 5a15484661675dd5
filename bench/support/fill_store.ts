import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { ResultManifest } from "../../schemas/records.ts";
import { artifactDigest } from "../../engine/keys/keys.ts";
import type { Store } from "../../engine/store/store.ts";

const key = (text: string) => createHash("sha256").update(text).digest("hex");

/**
 * Give a store the results of many other stages: manifests and index lines as the store writes them, without the flushes
 * that would make this take an hour.
 */
export function fillStore(store: Store, count: number): void {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const files = [{ path: "value.txt", size: 5, sha256: key(`object ${i}`) }];
    const manifest: ResultManifest = {
      format: 1,
      resolvedKey: key(`resolved ${i}`),
      recipeKey: key(`recipe ${i}`),
      identityKey: key(`identity ${i}`),
      localKey: key(`local ${i}`),
      extent: null,
      ingredients: { kind: "other", version: "other/1", seed: null, params: { value: i }, externals: {}, inputs: {} },
      outputs: { out: { type: "files", digest: artifactDigest("files", files), files } },
      numerics: null,
      runId: "bench",
    };
    const path = store.results.manifestPath(manifest.resolvedKey);
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, `${JSON.stringify(manifest)}\n`);
    lines.push(`${JSON.stringify({ recipeKey: manifest.recipeKey, manifest })}\n`);
  }
  Deno.writeTextFileSync(join(store.root, "index.jsonl"), lines.join(""), { append: true });
}
