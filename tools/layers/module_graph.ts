import { globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { findImports, type Import } from "./imports.ts";

/** Where an import leads: a file of this tree by its relative path, or a package. */
export type Target = { readonly file: string } | { readonly package: string };

export interface Edge extends Import {
  readonly target: Target;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly edges: readonly Edge[];
}

/** Specifiers that `deno.json` gives names to. */
export type ImportMap = Readonly<Record<string, string>>;

const SKIPPED = /^(\..*|node_modules|outputs|coverage)$/;

/** Resolve an import of the file at `from`; both paths are relative to the root and use `/`. */
export function resolveImport(specifier: string, from: string, map: ImportMap): Target {
  if (/^\.{1,2}\//.test(specifier)) return { file: join(dirname(from), specifier).replaceAll("\\", "/") };
  const name = nameIn(map, specifier);
  if (name !== undefined && map[name]!.startsWith("./")) {
    return { file: map[name]!.slice(2) + specifier.slice(name.length) };
  }
  return { package: packageName(specifier) };
}

/** The name of the map that stands for a specifier, or for all that begin like it. */
export function nameIn(map: ImportMap, specifier: string): string | undefined {
  return Object.keys(map).find((name) => name === specifier || (name.endsWith("/") && specifier.startsWith(name)));
}

/** `npm:zod@4.1.0/mini` -> `zod`, `node:path` -> `node:path`, `@scope/name/part` -> `@scope/name`. */
function packageName(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const bare = specifier.replace(/^(npm|jsr):\/?/, "");
  return /^(@[^/]+\/[^/@]+|[^/@]+)/.exec(bare)?.[1] ?? bare;
}

/** Every TypeScript and JavaScript file below a folder, by relative path in code-unit order. */
export function readTree(root: string, map: ImportMap): Map<string, SourceFile> {
  const exclude = (path: string) => SKIPPED.test(basename(path));
  const paths = globSync("**/*.{ts,mts,cts,js,mjs,cjs}", { cwd: root, exclude });
  return new Map(
    paths.map((path) => path.replaceAll("\\", "/")).sort().map((path) => {
      const text = Deno.readTextFileSync(join(root, path));
      const edges = findImports(text).map((one) => ({ ...one, target: resolveImport(one.specifier, path, map) }));
      return [path, { path, text, edges }];
    }),
  );
}
