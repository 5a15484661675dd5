import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { digestExecuted } from "../../engine/process/executed_code.ts";
import type { SourceFile } from "../layers/module_graph.ts";

/** Of files, which most kinds share. */
const digests = new Map<string, Promise<string>>();

/**
 * Digest of all code that a module executes: its local modules by what they do, found through imports that are not for
 * types alone, and the packages that they name, with the versions that `deno.json` pins.
 */
export async function digestModules(root: string, entries: readonly string[], files: ReadonlyMap<string, SourceFile>) {
  const lines = new Set<string>();
  // A set hands out what is added while it is walked, and nothing twice.
  const queue = new Set(entries);
  for (const path of queue) {
    lines.add(`file ${path} ${await digests.getOrInsertComputed(join(root, path), digestExecuted)}`);
    for (const { target, resolved, typeOnly } of files.get(path)?.edges ?? []) {
      if (typeOnly) continue;
      if ("package" in target) lines.add(`package ${resolved}`);
      // What is required from another folder's place is not here.
      else if (existsSync(join(root, target.file))) queue.add(target.file);
    }
  }
  return createHash("sha256").update([...lines].sort().join("\n")).digest("hex");
}
