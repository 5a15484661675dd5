import { createHash } from "node:crypto";
import { join } from "node:path";
import { findImports } from "../layers/imports.ts";
import { type ImportMap, nameIn, resolveImport } from "../layers/module_graph.ts";
import { blankSource } from "../layers/source_text.ts";

/** Comments, blank lines and spaces at line ends cannot change what runs. */
function withoutComments(path: string, text: string): string {
  if (!/\.[mc]?[jt]s$/.test(path)) return text;
  const lines = blankSource(text, { keepTexts: true }).split("\n").map((line) => line.trimEnd());
  return lines.filter((line) => line !== "").join("\n");
}

/**
 * Digest of all code that a module executes: its local modules, found through imports that are not for types alone, and
 * the packages that they name, with the versions that `deno.json` pins.
 */
export async function digestModules(root: string, entries: readonly string[], map: ImportMap): Promise<string> {
  const lines = new Set<string>();
  // A set hands out what is added while it is walked, and nothing twice.
  const queue = new Set(entries);
  for (const path of queue) {
    const text = await Deno.readTextFile(join(root, path));
    const digest = createHash("sha256").update(withoutComments(path, text)).digest("hex");
    lines.add(`file ${path} ${digest}`);
    for (const { specifier, typeOnly } of findImports(text)) {
      if (typeOnly) continue;
      const target = resolveImport(specifier, path, map);
      if ("file" in target) queue.add(target.file);
      else lines.add(`package ${specifier} ${map[nameIn(map, specifier) ?? ""] ?? ""}`);
    }
  }
  return createHash("sha256").update([...lines].sort().join("\n")).digest("hex");
}
