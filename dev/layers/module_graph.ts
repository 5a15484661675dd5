import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { askGraph } from "../../engine/process/runtime.ts";
import { makeTemporaryFolder } from "../../engine/store/folders.ts";

/** One import or re-export of a file. */
export interface Edge {
  /** The import's target: a file of this tree by its relative path, or a package. */
  readonly target: { readonly file: string } | { readonly package: string };
  /** The address to which Deno resolves the import by `deno.json`, which pins the versions of packages. */
  readonly resolved: string;
  readonly line: number;
  /** True if the compiler drops the import: none of the target's code runs. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly edges: readonly Edge[];
}

const SKIPPED = /^(\..*|node_modules|outputs|coverage)$/;
/** No package is fetched to look at files that import it. */
const FLAGS = ["--no-npm", "--no-remote", "--no-lock", "--node-modules-dir=none"];

/** `npm:zod@4.1.0/mini` -> `zod`, `node:path` -> `node:path`, `@scope/name/part` -> `@scope/name`. */
function packageName(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const bare = specifier.replace(/^(npm|jsr):\/?/, "");
  return /^(@[^/]+\/[^/@]+|[^/@]+)/.exec(bare)?.[1] ?? bare;
}

/**
 * Returns every TypeScript and JavaScript file below a folder with a `deno.json`, by relative path in code-unit order.
 */
export async function readTree(root: string): Promise<Map<string, SourceFile>> {
  const exclude = (path: string) => SKIPPED.test(basename(path));
  const paths = globSync("**/*.{ts,mts,cts,js,mjs,cjs}", { cwd: root, exclude });
  const base = pathToFileURL(join(root, "/")).href;
  const urls = new Map(paths.map((path) => path.replaceAll("\\", "/")).sort().map((path) => [path, `${base}${path}`]));
  await using temporary = await makeTemporaryFolder();
  const entry = join(temporary.folder, "all.ts");
  Deno.writeTextFileSync(entry, urls.values().map((url) => `import ${JSON.stringify(url)};\n`).toArray().join(""));
  const graph = await askGraph([...FLAGS, `--config=${join(root, "deno.json")}`], entry);
  if ("error" in graph) throw new Error(graph.error);
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  return new Map(
    urls.entries().map(([path, url]) => {
      const text = Deno.readTextFileSync(join(root, path));
      const lines = text.split("\n");
      const edges = modules.get(url)?.dependencies?.map(({ specifier, code, type }): Edge => {
        const { specifier: resolved = specifier, span: { start } } = (code ?? type)!;
        // A late import names its target only in its type argument.
        const isLate = /\bimportLate<\s*typeof\s+import\s*\(\s*$/.test(lines[start.line]!.slice(0, start.character));
        const target = resolved.startsWith(base)
          ? { file: resolved.slice(base.length) }
          : { package: packageName(specifier) };
        return { target, resolved, line: start.line + 1, typeOnly: code === undefined && !isLate };
      });
      return [path, { path, text, edges: edges ?? [] }];
    }),
  );
}
