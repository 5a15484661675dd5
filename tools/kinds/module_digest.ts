import { createHash } from "node:crypto";
import { join } from "node:path";
import { findImports } from "../layers/imports.ts";
import { type ImportMap, resolveImport } from "../layers/module_graph.ts";
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
export async function digestModules(root: string, entry: string, map: ImportMap): Promise<string> {
  const lines = new Set<string>();
  const seen = new Set<string>();
  const queue = [entry];
  while (queue.length > 0) {
    const path = queue.pop()!;
    if (seen.has(path)) continue;
    seen.add(path);
    const text = await Deno.readTextFile(join(root, path));
    const digest = createHash("sha256").update(withoutComments(path, text)).digest("hex");
    lines.add(`file ${path} ${digest}`);
    for (const { specifier, typeOnly } of findImports(text)) {
      if (typeOnly) continue;
      const target = resolveImport(specifier, path, map);
      if ("file" in target) queue.push(target.file);
      else lines.add(`package ${specifier} ${pinned(specifier, map)}`);
    }
  }
  return createHash("sha256").update([...lines].sort().join("\n")).digest("hex");
}

function pinned(specifier: string, map: ImportMap): string {
  const name = Object.keys(map).find((one) => one === specifier || (one.endsWith("/") && specifier.startsWith(one)));
  return name === undefined ? "" : map[name]!;
}
