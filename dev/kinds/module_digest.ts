import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { digestExecuted } from "../../engine/process/code_syntax_digest.ts";
import type { SourceFile } from "../layers/module_graph.ts";

/** Digests by file, because most kinds share files. */
const digests = new Map<string, Promise<string>>();

/**
 * Returns a digest of all code that a module executes: its local modules, by what they do, found through imports that
 * are not type-only, and the packages that they name, with the versions that `deno.json` pins.
 */
export async function digestModules(root: string, entries: readonly string[], files: ReadonlyMap<string, SourceFile>) {
  const lines = new Set<string>();
  // Iterating over a set also visits elements that are added meanwhile, and none twice.
  const queue = new Set(entries);
  for (const path of queue) {
    lines.add(`file ${path} ${await digests.getOrInsertComputed(join(root, path), digestExecuted)}`);
    for (const { target, resolved, typeOnly } of files.get(path)?.edges ?? []) {
      if (typeOnly) continue;
      if ("package" in target) lines.add(`package ${resolved}`);
      // A file that is required relative to another folder does not exist here.
      else if (existsSync(join(root, target.file))) queue.add(target.file);
    }
  }
  return createHash("sha256").update([...lines].sort().join("\n")).digest("hex");
}
